// A web service on the npm package `soap`, SOAP 1.1, that wants a WS-Security user name token (text or
// digest) of LOGIN and PASSWORD. /store?wsdl describes it.
//
//   PutDocument(content)      keeps base64 content
//   GET /taken                what was kept since the last call: [{user, kind, id, body}], body in base64
//   GET /control?refuse=TEXT  refuses what holds TEXT from now on, with a Client fault
//   GET /health
const crypto = require('crypto');
const http = require('http');
const soap = require('soap');

const TNS = 'urn:meterhub:test:store';
const { LOGIN, PASSWORD, PORT } = process.env;
let taken = [];
let refuse = '';
let last = {};

const wsdl = `<?xml version="1.0"?>
<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:xs="http://www.w3.org/2001/XMLSchema"
  xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:tns="${TNS}" targetNamespace="${TNS}">
<wsdl:types><xs:schema targetNamespace="${TNS}" elementFormDefault="qualified">
<xs:element name="PutDocument"><xs:complexType><xs:sequence>
<xs:element name="content" type="xs:base64Binary"/></xs:sequence></xs:complexType></xs:element>
<xs:element name="PutDocumentResponse"><xs:complexType><xs:sequence>
<xs:element name="result" type="xs:string"/></xs:sequence></xs:complexType></xs:element>
</xs:schema></wsdl:types>
<wsdl:message name="In"><wsdl:part name="body" element="tns:PutDocument"/></wsdl:message>
<wsdl:message name="Out"><wsdl:part name="body" element="tns:PutDocumentResponse"/></wsdl:message>
<wsdl:portType name="Store"><wsdl:operation name="PutDocument">
<wsdl:input message="tns:In"/><wsdl:output message="tns:Out"/></wsdl:operation></wsdl:portType>
<wsdl:binding name="Store" type="tns:Store">
<soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
<wsdl:operation name="PutDocument"><soap:operation soapAction="urn:put" style="document"/>
<wsdl:input><soap:body use="literal"/></wsdl:input><wsdl:output><soap:body use="literal"/></wsdl:output>
</wsdl:operation></wsdl:binding>
<wsdl:service name="Store"><wsdl:port name="Store" binding="tns:Store">
<soap:address location="http://127.0.0.1:${PORT}/store"/></wsdl:port></wsdl:service>
</wsdl:definitions>`;

// The value of an element that may have attributes.
const text = (element) => (element && element.$value !== undefined ? element.$value : element);

const PutDocument = ({ content }, callback, headers) => {
  const id = String(text(headers && headers.MessageID) || '').split(':').pop();
  const body = Buffer.from(content, 'base64');
  if (refuse && body.includes(refuse)) {
    throw { Fault: { faultcode: 'soap:Client', faultstring: 'this is never taken' } };
  }
  taken.push({ ...last, id, body: body.toString('base64') });
  return { result: 'kept' };
};

const authenticate = (security) => {
  const token = security && security.UsernameToken;
  if (!token || text(token.Username) !== LOGIN) return false;
  const type = (token.Password.attributes && token.Password.attributes.Type) || '#PasswordText';
  const kind = type.split('#')[1];
  last = { user: text(token.Username), kind };
  if (kind === 'PasswordText') return text(token.Password) === PASSWORD;
  const hash = crypto.createHash('sha1');
  hash.update(Buffer.from(text(token.Nonce), 'base64'));
  hash.update(text(token.Created) + PASSWORD);
  return hash.digest('base64') === text(token.Password);
};

const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost');
  let answer = {};
  if (url.pathname === '/taken') {
    answer = taken;
    taken = [];
  } else if (url.pathname === '/control') {
    refuse = url.searchParams.get('refuse') || '';
  } else if (url.pathname !== '/health') {
    return; // /store is the library's
  }
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(answer));
});

server.listen(Number(PORT), '127.0.0.1', () => {
  soap.listen(server, { path: '/store', services: { Store: { Store: { PutDocument } } }, xml: wsdl }).authenticate =
    authenticate;
});
