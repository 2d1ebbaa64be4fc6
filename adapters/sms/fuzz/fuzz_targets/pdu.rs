//! Any octets: no panic, and what was read and can be written reads the same again.

#![no_main]

use adapter_sms::pdu::Pdu;
use adapter_sms::text::gsm7;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    if let Ok(pdu) = Pdu::decode(octets)
        && let Ok(written) = pdu.encode()
    {
        assert_eq!(Pdu::decode(&written).as_ref(), Ok(&pdu));
    }
    assert!(gsm7::encode(&gsm7::decode(octets)).is_ok());
});
