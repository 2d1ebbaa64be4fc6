// A simulated SMSC on the npm package `smpp`. Accounts `hub` and `gateway`.
//
// The last four digits of the destination choose what happens to a submit_sm:
//   0001 or any other   accepted, receipt DELIVRD
//   0002 0003 0004      accepted, receipt UNDELIV, EXPIRED, REJECTD
//   0009                accepted, no receipt
//   0010 0011 0012 0018 refused: ESME_RINVDSTADR, ESME_RTHROTTLED, ESME_RMSGQFUL, ESME_RSYSERR
//   0013 0014           no response; connection reset
//   0015                accepted, then the SMSC unbinds
//   0016                generic_nack ESME_RINVCMDID
//   0020 0021           receipt twice; receipt before the response
//
// The control URL:
//   GET /health
//   GET /messages   what was accepted          DELETE /messages   forget it, and the log
//   GET /log        binds, enquire_links, unbinds
//   GET /control?rate=N      messages a second in each session, above it ESME_RTHROTTLED (0: no limit)
//               &receipt_ms=N  pause before a receipt (20)    &delay_ms=N  pause before a response
//               &fail_binds=N  the next N binds get ESME_RBINDFAIL
//               &mute=1        enquire_link stays unanswered
//               &hex_ids=1     ids in hexadecimal digits, and in decimal ones in receipts
//   GET /drop       resets every connection
//   GET /mobile-originated?from=A&to=B&text=T   a deliver_sm to one receiver bound as `hub`, or as
//               &account=gateway
'use strict';
const fs = require('fs');
const http = require('http');
const smpp = require('smpp');

const { SMPP_PORT, SMPPS_PORT, CONTROL_PORT, PASSWORD, KEY, CERT } = process.env;
const ACCOUNTS = { hub: PASSWORD, gateway: PASSWORD };
const REFUSALS = {
  '0010': smpp.ESME_RINVDSTADR,
  '0011': smpp.ESME_RTHROTTLED,
  '0012': smpp.ESME_RMSGQFUL,
  '0018': smpp.ESME_RSYSERR,
};
const DELIVERED = { stat: 'DELIVRD', state: 2, err: '000' };
const RECEIPTS = {
  '0002': { stat: 'UNDELIV', state: 5, err: '011' },
  '0003': { stat: 'EXPIRED', state: 3, err: '027' },
  '0004': { stat: 'REJECTD', state: 8, err: '099' },
};

const control = { rate: 0, receipt_ms: 20, delay_ms: 0, fail_binds: 0, mute: 0, hex_ids: 0 };
const sessions = new Set();
let messages = [];
let log = [];
let lastId = 0;

const receives = (session) => session.bound && session.bound !== 'bind_transmitter';
const sends = (session) => session.bound && session.bound !== 'bind_receiver';
const reset = (socket) => (socket.encrypted ? socket.destroy() : socket.resetAndDestroy());

function respond(session, pdu, fields) {
  const send = () => session.send(pdu.response(fields));
  if (control.delay_ms) setTimeout(send, control.delay_ms);
  else send();
}

function bind(session, pdu) {
  const { system_id, system_type, interface_version, addr_ton, addr_npi, address_range } = pdu;
  log.push({ event: pdu.command, system_id, system_type, interface_version, addr_ton, addr_npi, address_range });
  let command_status = 0;
  if (control.fail_binds > 0) {
    control.fail_binds -= 1;
    command_status = smpp.ESME_RBINDFAIL;
  } else if (ACCOUNTS[system_id] === undefined) command_status = smpp.ESME_RINVSYSID;
  else if (ACCOUNTS[system_id] !== pdu.password) command_status = smpp.ESME_RINVPASWD;
  else if (session.bound) command_status = smpp.ESME_RALYBND;
  if (command_status) return respond(session, pdu, { command_status });
  session.bound = pdu.command;
  session.account = system_id;
  respond(session, pdu, { system_id: 'SIMULATOR', sc_interface_version: 0x34 });
}

function overRate(session) {
  if (!control.rate) return false;
  const now = Date.now();
  if (now - session.second >= 1000) {
    session.second = now;
    session.inSecond = 0;
  }
  session.inSecond += 1;
  return session.inSecond > control.rate;
}

function submit(session, pdu) {
  if (!sends(session)) return respond(session, pdu, { command_status: smpp.ESME_RINVBNDSTS });
  if (overRate(session)) return respond(session, pdu, { command_status: smpp.ESME_RTHROTTLED });
  const behaviour = String(pdu.destination_addr).slice(-4);
  if (REFUSALS[behaviour]) return respond(session, pdu, { command_status: REFUSALS[behaviour] });
  if (behaviour === '0013') return;
  if (behaviour === '0014') return reset(session.socket);
  if (behaviour === '0016') {
    const { sequence_number } = pdu;
    return session.send(new smpp.PDU('generic_nack', { sequence_number, command_status: smpp.ESME_RINVCMDID }));
  }
  const message = keep(session, pdu);
  if (behaviour === '0021') sendReceipt(message, behaviour);
  respond(session, pdu, { message_id: message.id });
  if (behaviour === '0015') session.unbind(() => session.close());
  if ((pdu.registered_delivery & 3) === 0 || behaviour === '0009' || behaviour === '0021') return;
  setTimeout(sendReceipt, control.receipt_ms, message, behaviour);
  if (behaviour === '0020') setTimeout(sendReceipt, control.receipt_ms + 20, message, behaviour);
}

// What a test can ask for at /messages: every field that matters, as it came.
function keep(session, pdu) {
  const short = pdu.short_message;
  const inShort = short && short.message !== undefined && short.message.length > 0;
  const body = inShort ? short.message : pdu.message_payload && pdu.message_payload.message;
  lastId += 1;
  const number = 0xa0f0 + lastId;
  const message = {
    id: control.hex_ids ? number.toString(16) : `m${lastId}`,
    receipt_id: control.hex_ids ? String(number).padStart(10, '0') : `m${lastId}`,
    account: session.account,
    from: pdu.source_addr,
    from_ton: pdu.source_addr_ton,
    from_npi: pdu.source_addr_npi,
    to: String(pdu.destination_addr),
    to_ton: pdu.dest_addr_ton,
    to_npi: pdu.dest_addr_npi,
    data_coding: pdu.data_coding,
    esm_class: pdu.esm_class,
    registered_delivery: pdu.registered_delivery,
    service_type: pdu.service_type,
    validity_period: pdu.validity_period,
    text: Buffer.isBuffer(body) ? body.toString('hex') : body,
    udh: short && short.udh && short.udh.map((part) => part.toString('hex')),
    sar: [pdu.sar_msg_ref_num, pdu.sar_segment_seqnum, pdu.sar_total_segments],
    accepted_at: Date.now(),
    receipts: 0,
  };
  messages.push(message);
  return message;
}

// To one bound receiver of the account that sent the message. Text form: SMPP 3.4, appendix B.
function sendReceipt(message, behaviour) {
  const { stat, state, err } = RECEIPTS[behaviour] || DELIVERED;
  message.state = state;
  const receiver = [...sessions].find((session) => session.account === message.account && receives(session));
  if (!receiver) {
    message.receipt_problem = 'no receiver is bound';
    return;
  }
  const delivered = state === DELIVERED.state ? '001' : '000';
  const fields = {
    esm_class: 4,
    source_addr: message.to,
    source_addr_ton: message.to_ton,
    source_addr_npi: message.to_npi,
    destination_addr: message.from,
    dest_addr_ton: message.from_ton,
    dest_addr_npi: message.from_npi,
    receipted_message_id: message.receipt_id,
    message_state: state,
    short_message:
      `id:${message.receipt_id} sub:001 dlvrd:${delivered} submit date:${minute(message.accepted_at)} ` +
      `done date:${minute(Date.now())} stat:${stat} err:${err} text:${String(message.text).slice(0, 20)}`,
  };
  receiver.deliver_sm(fields, (response) => {
    message.receipts += 1;
    message.receipt_status = response.command_status;
  });
}

// YYMMDDhhmm, in UTC.
const minute = (ms) => new Date(ms).toISOString().replace(/[-T:]/g, '').slice(2, 12);

function query(session, pdu) {
  const message = messages.find(({ id }) => id === pdu.message_id);
  if (!message) return respond(session, pdu, { command_status: smpp.ESME_RQUERYFAIL });
  respond(session, pdu, { message_id: message.id, final_date: '', message_state: message.state || 1, error_code: 0 });
}

function serve(session) {
  Object.assign(session, { bound: null, account: null, second: Date.now(), inSecond: 0 });
  sessions.add(session);
  session.on('error', () => session.destroy()); // not SMPP, or the client is gone
  session.on('close', () => sessions.delete(session));
  for (const kind of ['bind_transceiver', 'bind_transmitter', 'bind_receiver']) {
    session.on(kind, (pdu) => bind(session, pdu));
  }
  session.on('submit_sm', (pdu) => submit(session, pdu));
  session.on('query_sm', (pdu) => query(session, pdu));
  session.on('enquire_link', (pdu) => {
    log.push({ event: 'enquire_link' });
    if (!control.mute) session.send(pdu.response());
  });
  session.on('unbind', (pdu) => {
    log.push({ event: 'unbind' });
    session.send(pdu.response());
    session.close();
  });
}

function mobileOriginated(query) {
  const account = query.get('account') || 'hub';
  const receiver = [...sessions].find((session) => session.account === account && receives(session));
  if (!receiver) return { sent: 0 };
  receiver.deliver_sm({
    source_addr: query.get('from'),
    destination_addr: query.get('to'),
    short_message: query.get('text'),
  });
  return { sent: 1 };
}

const routes = {
  'GET /health': () => ({ ok: true, sessions: sessions.size, messages: messages.length }),
  'GET /messages': () => messages,
  'DELETE /messages': () => {
    messages = [];
    log = [];
    return messages;
  },
  'GET /log': () => log,
  'GET /control': (query) => {
    for (const [name, value] of query) {
      if (!(name in control) || !/^\d+$/.test(value)) {
        return { error: `\`${name}=${value}\`: a number for one of ${Object.keys(control)} would do` };
      }
      control[name] = Number(value);
    }
    return control;
  },
  'GET /drop': () => {
    for (const session of sessions) reset(session.socket);
    return { dropped: sessions.size };
  },
  'GET /mobile-originated': mobileOriginated,
};

function answer(request, response) {
  const url = new URL(request.url, 'http://control');
  const route = routes[`${request.method} ${url.pathname}`];
  const result = route ? route(url.searchParams) : { error: `valid: ${Object.keys(routes).join(', ')}` };
  response.statusCode = result.error ? 400 : 200;
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(result));
}

smpp.createServer(serve).listen(Number(SMPP_PORT), '127.0.0.1');
const tls = { key: fs.readFileSync(KEY), cert: fs.readFileSync(CERT) };
smpp.createServer(tls, serve).on('tlsClientError', () => {}).listen(Number(SMPPS_PORT), '127.0.0.1');
http.createServer(answer).listen(Number(CONTROL_PORT), '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
