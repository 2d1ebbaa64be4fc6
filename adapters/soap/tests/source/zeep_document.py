"""Posts `Put` to the service at argv[1] by its own description, in both versions of SOAP. Prints what
is answered, one JSON a line."""

import json
import sys

from zeep import Client

client = Client(sys.argv[1] + "?wsdl")
service = next(iter(client.wsdl.services.values()))
for port in service.ports:
    print(json.dumps(client.bind(service.name, port).Put(Id=7)), flush=True)
