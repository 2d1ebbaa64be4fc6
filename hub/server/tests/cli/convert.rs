//! What `meterhub convert` makes of each format.

use std::path::Path;

use serde_json::Value;

use crate::{code, fixture, here, meterhub, stderr, stdout, timeless};

#[test]
fn json_becomes_the_contractors_csv() {
    let orders = concat!(
        r#"{"record":"work_order","number":"=1+1","kind":"exchange","device":"M-1","#,
        r#""window":{"start":"2026-03-29T00:15:00Z","end":"2026-03-29T04:15:00Z"}}"#,
        "\n",
        r#"{"record":"work_order","number":2}"#,
        "\n",
        r#"{"record":"end_device","id":"M-1"}"#,
        "\n",
    );
    let mapping = here("tests/cli/orders.toml");
    let args = [
        "convert",
        "--from",
        "json",
        "--to",
        "csv",
        "--mapping",
        &mapping,
    ];
    let converted = meterhub(
        &[&args[..], &["--zone", "Europe/Helsinki", "-"]].concat(),
        orders,
    );
    assert_eq!(
        stdout(&converted),
        "Order;Work;Meter;From;To\n'=1+1;EXCH;M-1;29.03.2026 02:15;29.03.2026 07:15\n"
    );
    assert_eq!(
        timeless(&stderr(&converted)),
        "stdin:2: error: in `number`: invalid type: integer `2`, expected a string (column 33)\n\
         stdin: warning: 1 device has no place in csv and is left out\n\
         1 record, 1 finding in T s\n"
    );
    assert_eq!(code(&converted), 1);
}

#[test]
fn what_the_output_has_no_place_for_is_a_warning_for_each_kind() {
    let lines = concat!(
        r#"{"record":"end_device","id":"M-1"}"#,
        "\n",
        r#"{"record":"usage_point","id":"P-1"}"#,
        "\n",
        r#"{"record":"usage_point","id":"P-2"}"#,
        "\n",
    );
    let converted = meterhub(&["convert", "--from", "json", "--to", "cim", "-"], lines);
    assert_eq!(
        timeless(&stderr(&converted)),
        "stdin: warning: 1 device has no place in cim and is left out\n\
         stdin: warning: 2 usage points have no place in cim and are left out\n\
         0 records, 0 findings in T s\n"
    );
    assert_eq!(code(&converted), 0);
}

#[test]
fn a_reading_that_cannot_be_written_does_not_take_its_day_with_it() {
    let reading = |minute: &str, extra: &str| {
        format!(
            r#"{{"record":"reading","kind":"interval","meter":"M-1","reading_type":"0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0","at":"2026-03-29T00:{minute}:00Z"{extra}}}"#
        )
    };
    let lines = [
        reading("15", r#","value":"1.5""#),
        reading("30", r#","value":null"#),
        reading("45", r#","value":"2","source":"a\u0001""#),
    ];
    let converted = meterhub(
        &["convert", "--from", "json", "--to", "cim", "-"],
        &lines.join("\n"),
    );
    assert_eq!(
        timeless(&stderr(&converted)),
        "stdin:3: error: in `source`: holds '\\u{1}', a character XML cannot hold\n\
         2 records, 1 finding in T s\n"
    );
    let xml = stdout(&converted);
    assert!(
        xml.contains("<value>1.5</value>") && xml.contains("2.5.259"),
        "{xml}"
    );
}

#[test]
fn csv_becomes_json_with_findings_by_line() {
    let rows = "Order;Work;Meter;From\n1;EXCH;M-1;01.06.2026 08:00\n2;DANCE;M-2;\n3;INST;M-3;31.06.2026 08:00\n4;INST;M-4;\n";
    let mapping = here("tests/cli/orders.toml");
    let args = [
        "convert",
        "--from",
        "csv",
        "--to",
        "json",
        "--mapping",
        &mapping,
        "--json",
    ];
    let converted = meterhub(
        &[&args[..], &["--zone", "Europe/Helsinki", "-"]].concat(),
        rows,
    );
    assert_eq!(code(&converted), 1);
    let numbers: Vec<String> = stdout(&converted)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["number"].to_string())
        .collect();
    assert_eq!(numbers, [r#""1""#, r#""4""#]);
    let said: Vec<Value> = stderr(&converted)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((&said[0]["line"], &said[1]["line"]), (&3.into(), &4.into()));
    assert_eq!(
        (&said[2]["records"], &said[2]["findings"]),
        (&2.into(), &2.into())
    );
}

#[test]
fn cim_becomes_json_and_cim_again() {
    let folder = tempfile::tempdir().unwrap();
    let input = fixture("cim/autumn-day/input.xml").display().to_string();
    let json = folder.path().join("day.jsonl").display().to_string();
    let convert = |args: &[&str]| {
        let output = meterhub(&[&["convert"], args].concat(), "");
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        assert!(timeless(&stderr(&output)).contains("0 findings"));
        stdout(&output)
    };
    assert_eq!(
        convert(&["--from", "cim", "--to", "json", "--output", &json, &input]),
        ""
    );
    let lines = std::fs::read_to_string(&json).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions();
    let plain = folder.path().join("plain");
    std::fs::write(&plain, "").unwrap();
    assert_eq!(
        mode(Path::new(&json)),
        mode(&plain),
        "as readable as any new file"
    );
    assert_eq!(
        lines.lines().count(),
        100,
        "the long day has 100 quarter-hours"
    );

    let head = ["--message-id", "M-1", "--created", "2026-11-01T00:00:00Z"];
    let xml = convert(&[&head[..], &["--from", "json", "--to", "cim", &json]].concat());
    let twice = convert(&[&head[..], &["--from", "json", "--to", "cim", &json]].concat());
    assert_eq!(xml, twice, "the same input gives the same bytes");
    let cim = folder.path().join("day.xml").display().to_string();
    std::fs::write(&cim, xml).unwrap();
    for threads in ["1", "4"] {
        let back = convert(&["--threads", threads, "--from", "cim", "--to", "json", &cim]);
        assert_eq!(back, lines);
    }
}

/// The mapping asks for segment definitions, which are found beside it.
#[test]
fn an_idoc_becomes_json_and_a_confirmation_becomes_one() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("segments")).unwrap();
    let idoc =
        |path: &str| std::fs::read_to_string(format!("{}{path}", here("../../mappings/idoc")));
    let orders = idoc("/examples/service-orders.toml").unwrap();
    let orders = orders.replace("\"service-order\"", "\"own\"");
    let mapping = dir.path().join("orders.toml").display().to_string();
    std::fs::write(&mapping, orders).unwrap();
    let own = idoc("/segments/service-order.toml").unwrap();
    std::fs::write(dir.path().join("segments/own.toml"), own).unwrap();
    let input = fixture("idoc/order-flat/input.idoc").display().to_string();
    let args = [
        "convert",
        "--from",
        "idoc",
        "--to",
        "json",
        "--mapping",
        &mapping,
    ];
    let converted = meterhub(
        &[&args[..], &["--zone", "Europe/Helsinki", &input]].concat(),
        "",
    );
    assert_eq!(code(&converted), 0, "{}", stderr(&converted));
    let text = stdout(&converted);
    let orders: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(orders.len(), 2);
    assert_eq!(orders[0]["number"], "4000123");
    assert_eq!(orders[0]["window"]["start"], "2026-03-30T05:00:00Z");
    assert_eq!(orders[1]["action"], "cancel");

    let mapping = here("../../mappings/idoc/examples/confirmations.toml");
    let report = r#"{"record":"work_order","number":"4000123","action":"report","status":"completed","performed":"2026-03-30T08:22:33Z"}"#;
    let args = [
        "convert",
        "--from",
        "json",
        "--to",
        "idoc",
        "--mapping",
        &mapping,
        "-",
    ];
    let converted = meterhub(&args, report);
    assert_eq!(code(&converted), 0, "{}", stderr(&converted));
    let text = stdout(&converted);
    let segment = "<Z1SRVCF SEGMENT=\"1\"><AUFNR>000004000123</AUFNR><RESULT>DONE</RESULT><IEDD>20260330</IEDD><IEDZ>082233</IEDZ></Z1SRVCF>";
    assert!(text.contains(segment), "{text}");
}
