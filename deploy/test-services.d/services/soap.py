"""Web services on spyne, validated by XSD, SOAP 1.1 at /soap11 and 1.2 at /soap12 (each ?wsdl).

PutDocument(content)                  keeps base64 content
CreatedMeterReadings(Header, Payload) keeps a message of IEC 61968-100; its Reply is OK, or what
                                      /control?result=PARTIAL says
GET  /taken                           what was kept since the last call: [{id, body}], body in base64
GET  /control?refuse=TEXT             refuses what holds TEXT from now on, with a Client fault
             ?fail=TEXT               the same with a Server fault
             ?result=OK|PARTIAL|FAILED
GET  /health
"""

import base64
import json
import sys
import threading
from socketserver import ThreadingMixIn
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from lxml import etree
from spyne import AnyXml, Application, ByteArray, ComplexModel, Fault, ServiceBase, Unicode, rpc
from spyne.protocol.soap import Soap11, Soap12
from spyne.server.wsgi import WsgiApplication

TNS = "urn:meterhub:test:store"
lock = threading.Lock()
taken = []
control = {"refuse": "", "fail": "", "result": "OK"}


def keep(message_id, body):
    with lock:
        if control["refuse"] and control["refuse"].encode() in body:
            raise Fault("Client.Refused", "this is never taken")
        if control["fail"] and control["fail"].encode() in body:
            raise Fault("Server", "not today")
        taken.append({"id": message_id, "body": base64.b64encode(body).decode()})


def addressing_id(ctx):
    """MessageID of WS-Addressing, without our prefix."""
    for element in ctx.in_header_doc or []:
        if etree.QName(element).localname == "MessageID":
            return element.text.rsplit(":", 1)[-1]
    return ""


class Header(ComplexModel):
    __namespace__ = TNS
    _type_info = [
        ("Verb", Unicode(values=["created", "changed", "reply"])),
        ("Noun", Unicode(min_occurs=1)),
        ("Timestamp", Unicode),
        ("Source", Unicode),
        ("MessageID", Unicode(min_occurs=1, max_len=64)),
        ("CorrelationID", Unicode),
    ]


class Error(ComplexModel):
    __namespace__ = TNS
    _type_info = [("code", Unicode), ("level", Unicode), ("reason", Unicode)]


class Reply(ComplexModel):
    __namespace__ = TNS
    _type_info = [("Result", Unicode), ("Error", Error)]


class Store(ServiceBase):
    @rpc(ByteArray(min_occurs=1), _returns=Unicode)
    def PutDocument(ctx, content):
        body = b"".join(content)
        keep(addressing_id(ctx), body)
        return "kept"

    @rpc(Header.customize(min_occurs=1), AnyXml, _returns=Reply, _out_variable_name="Reply")
    def CreatedMeterReadings(ctx, Header, Payload):
        keep(Header.MessageID, etree.tostring(Payload))
        result = control["result"]
        code = {"OK": "0.0", "PARTIAL": "0.2", "FAILED": "5.1"}[result]
        return Reply(Result=result, Error=Error(code=code, reason="because " + result))


def service(protocol):
    application = Application(
        [Store], TNS, name="Store", in_protocol=protocol(validator="lxml"), out_protocol=protocol()
    )
    return WsgiApplication(application, max_content_length=256 * 1024 * 1024)


services = {"/soap11": service(Soap11), "/soap12": service(Soap12)}


def aside(path, query):
    with lock:
        if path == "/taken":
            found = list(taken)
            taken.clear()
            return found
        if path == "/control":
            control.update({key: values[0] for key, values in query.items()})
        return control


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path in services:
        return services[path](environ, start_response)
    body = json.dumps(aside(path, parse_qs(environ["QUERY_STRING"], keep_blank_values=True))).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 256


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


make_server("127.0.0.1", int(sys.argv[1]), application, Server, Quiet).serve_forever()
