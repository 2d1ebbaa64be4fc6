"""A partner that speaks AMQP 1.0 by Qpid Proton: another implementation than the hub's.

partner.py send URL ADDRESS     sends one message of each kind
partner.py receive URL ADDRESS  takes one message and prints what it is, as JSON
"""

import json
import sys
import uuid

from proton import Message, ulong
from proton.utils import BlockingConnection

KINDS = [
    Message(id="text-1", body=b"data", inferred=True, content_type="text/csv", subject="reading"),
    Message(id=ulong(4711), body="value of a string"),
    Message(id=uuid.UUID("f81d4fae-7dec-11d0-a765-00a0c91e6bf6"), body=b"value of a binary"),
    Message(
        id=b"AMQ \x01",
        body=b"all fields",
        inferred=True,
        correlation_id=uuid.UUID(int=1),
        reply_to="answers",
        address="readings",
        group_id="meter-7",
        group_sequence=3,
        reply_to_group_id="erp",
        content_encoding="identity",
        creation_time=1774743300,
        expiry_time=1774743301,
        ttl=60,
        priority=7,
        properties={"X-Region": "north", "count": 3, "ratio": 0.5, "yes": True},
    ),
    Message(id="refused-1", body=[1, 2, 3]),
    Message(id="refused-2", body=[[1], [2]], inferred=True),
    Message(id="last", body=b"last", inferred=True),
]


def main():
    verb, url, address = sys.argv[1:]
    connection = BlockingConnection(url, timeout=5, allowed_mechs="ANONYMOUS")
    if verb == "send":
        sender = connection.create_sender(address)
        for message in KINDS:
            sender.send(message, timeout=5)
    else:
        receiver = connection.create_receiver(address, credit=1)
        message = receiver.receive(timeout=5)
        receiver.accept()
        print(json.dumps(fields(message)))
    connection.close()


def fields(message):
    names = "id correlation_id subject reply_to address group_id content_type durable".split()
    found = {name: getattr(message, name) for name in names}
    found["ttl"] = int(message.ttl)
    found["expiry"] = int(message.expiry_time)
    found["created"] = int(message.creation_time)
    found["properties"] = message.properties
    found["body"] = bytes(message.body).decode()
    found["is_data"] = message.inferred
    return found


main()
