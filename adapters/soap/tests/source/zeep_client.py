"""Calls the service at argv[1] by its own description, in both versions of SOAP, as argv[2] with
argv[3], and posts argv[4] as payload. Prints what is answered, one JSON a line."""

import json
import sys

from lxml import etree
from zeep import Client
from zeep.exceptions import Fault
from zeep.wsse.username import UsernameToken

url, user, password, payload = sys.argv[1:5]
client = Client(url + "?wsdl", wsse=UsernameToken(user, password, use_digest=True))
service = next(iter(client.wsdl.services.values()))
for port in service.ports:
    proxy = client.bind(service.name, port)
    header = {"Verb": "created", "Noun": "MeterReadings", "MessageID": "zeep-" + port}
    try:
        answer = proxy.CreatedMeterReadings(Header=header, Payload={"_value_1": [etree.fromstring(payload)]})
        told = {"result": answer.Reply.Result, "correlation": answer.Header.CorrelationID}
    except Fault as fault:
        told = {"fault": str(fault.code), "subcodes": [q.localname for q in fault.subcodes or []], "message": fault.message}
    print(json.dumps({"port": port, **told}), flush=True)
