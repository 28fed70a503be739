"""Writes what happened in a shop to Tributary's log with confluent-kafka.

    TRIBUTARY_KAFKA_BROKERS=127.0.0.1:9092 python produce.py [binary|structured|protobuf|registry]

Run it as often as you like, in any format: the ids are made from what happened, so each event counts once.
"""

import json
import os
import re
import sys
import uuid
from functools import cache
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient, record_subject_name_strategy
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import Message

SOURCE = "https://corner-shop.example"

# The messages of schemas/tributary, compiled: copy the file into your project if you send protobuf.
SCHEMAS = Path(__file__).parents[4] / "schemas" / "baseline.binpb"


def money(value: int, asset_code: str, asset_scale: int) -> dict:
    """1250 EUR of scale 2 are 12.50 EUR. Never a float."""
    return {"value": str(value), "asset_code": asset_code, "asset_scale": asset_scale}


def event(type: str, fact: str, time: str, subject: str, data: dict) -> dict:
    """A CloudEvent. Its id is made from the fact, so that whoever tells it again tells the same event."""
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{SOURCE}/{fact}")),
        "source": SOURCE,
        "type": f"tributary.{type}.v1",
        "time": time,
        "subject": subject,
        "data": data,
    }


def happened() -> list[dict]:
    """A payment and its refund, a receiver that was paid, and what a page earned."""
    return [
        event("payment.started", "payments/pay-2001/started", "2026-03-02T08:00:58Z", "pay-2001", {
            "payment_id": "pay-2001", "user_id": "ana", "payment_type": "credit", "provider": "stripe",
            "merchant_id": "corner-shop", "amount": money(1250, "EUR", 2), "description": "Two mugs for the café",
        }),
        event("payment.posted", "payments/pay-2001/posted", "2026-03-02T08:01:03.25Z", "pay-2001", {
            "payment_id": "pay-2001", "transaction_id": "txn-2001", "user_id": "ana", "payment_type": "credit",
            "provider": "stripe", "merchant_id": "corner-shop", "amount": money(1250, "EUR", 2), "fee": money(44, "EUR", 2),
            "lines": [{"sku": "MUG-2", "description": "Mug", "quantity": "2", "unit_price": money(625, "EUR", 2)}],
        }),
        event("payment.refunded", "payments/pay-2001/refunds/re-1", "2026-03-05T16:20:00Z", "pay-2001", {
            "payment_id": "pay-2001", "refund_id": "re-1", "transaction_id": "txn-2002", "provider": "stripe",
            "merchant_id": "corner-shop", "amount": money(625, "EUR", 2), "reason": "one arrived broken",
        }),
        event("receiver.created", "receivers/rcv-31", "2026-03-02T09:00:00Z", "rcv-31", {
            "receiver_id": "rcv-31", "merchant_id": "corner-shop", "chain": "dash",
            "address": "XmNfXq2kDmrNBTiDTofohRemwGur1WmgTT", "amount_fiat": money(1000, "EUR", 2), "base_fiat": "31.25",
            "amount_due": money(32000000, "DASH", 8), "expires_at": "2026-03-02T09:15:00Z",
        }),
        event("receiver.payment_detected", "receivers/rcv-31/outputs/9f2c-0/detected", "2026-03-02T09:02:11Z", "rcv-31", {
            "receiver_id": "rcv-31", "merchant_id": "corner-shop", "chain": "dash", "txid": "9f2c", "vout": 0,
            "address": "XmNfXq2kDmrNBTiDTofohRemwGur1WmgTT", "amount": money(32000000, "DASH", 8), "instant_locked": True,
        }),
        event("site.registered", "sites/blog", "2026-03-01T12:00:00Z", "blog", {
            "plugin_id": "blog", "payment_pointer": "$wallet.example/blog", "time_zone": "Europe/Paris",
        }),
        event("monetization.received", "sites/blog/sessions/s-1/1", "2026-03-02T20:15:30Z", "blog", {
            "plugin_id": "blog", "payment_pointer": "$wallet.example/blog", "post_id": "p-1", "session_id": "s-1",
            "amount": money(200, "USD", 6),
        }),
    ]


def topic(event: dict) -> str:
    """Payments, settlements, payouts and journals have a topic, receivers another, and what pages earn a third."""
    first = event["type"].split(".")[1]
    return {"payment": "tributary.payments", "receiver": "tributary.receivers"}.get(first, "tributary.monetization")


def headers(event: dict, content_type: str) -> dict:
    """CloudEvents' binary mode: the attributes are headers, and the value is the data alone."""
    return {"content-type": content_type} | {f"ce_{name}": text for name, text in event.items() if name != "data"}


def binary(event: dict) -> tuple[bytes, dict]:
    return json.dumps(event["data"]).encode(), headers(event, "application/json")


def structured(event: dict) -> tuple[bytes, dict]:
    return json.dumps(event).encode(), {"content-type": "application/cloudevents+json"}


def protobuf(event: dict) -> tuple[bytes, dict]:
    return message(event).SerializeToString(), headers(event, "application/protobuf")


def registry(event: dict) -> tuple[bytes, dict]:
    """Protobuf behind a schema's number, as Confluent's serializers write it. One subject a message, not one a topic."""
    data = message(event)
    serializer = serializers.setdefault(
        type(data), ProtobufSerializer(type(data), schema_registry(), {"subject.name.strategy": record_subject_name_strategy})
    )
    return serializer(data, SerializationContext(topic(event), MessageField.VALUE)), headers(event, "application/protobuf")


serializers: dict = {}


@cache
def schema_registry() -> SchemaRegistryClient:
    return SchemaRegistryClient({"url": os.environ["SCHEMA_REGISTRY_URL"]})


def message(event: dict) -> Message:
    """The data as protobuf: payment.post_requested is a PaymentPostRequested. A field that it lacks is an error."""
    name = event["type"].removeprefix("tributary.").removesuffix(".v1")
    name = "".join(word.capitalize() for word in re.split("[._]", name))
    cls = message_factory.GetMessageClass(schemas().FindMessageTypeByName(f"tributary.events.v1.{name}"))
    return json_format.ParseDict(event["data"], cls())


@cache
def schemas() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(SCHEMAS.read_bytes()).file:
        pool.Add(file)
    return pool


FORMATS = {"binary": binary, "structured": structured, "protobuf": protobuf, "registry": registry}


def main(brokers: str, encode) -> None:
    producer = Producer({
        "bootstrap.servers": brokers,
        "acks": "all",
        "enable.idempotence": True,
        "partitioner": "murmur2_random",  # that of the other languages, so that a subject has one partition
        "delivery.timeout.ms": 20_000,
        "error_cb": lambda error: print(f"Kafka: {error.str()}", file=sys.stderr),
        "log_level": 0,  # error_cb says it
        "reconnect.backoff.ms": 2_000,
    })
    failures = []

    def delivered(error, record) -> None:
        if error:
            failures.append(error)
            print(f"{record.key().decode()} is not written to {record.topic()}: {error.str()}", file=sys.stderr)
        else:
            print(f"written to {record.topic()}, partition {record.partition()}, offset {record.offset()}")

    for event in happened():
        value, head = encode(event)
        producer.produce(topic(event), key=event["subject"], value=value, headers=head, on_delivery=delivered)
        producer.poll(0)
    producer.flush()
    if failures:
        sys.exit(f"{len(failures)} events were not written; run this again, what was written counts once")


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 1 else "binary"
    if chosen not in FORMATS:
        sys.exit(f"{chosen} is none of {', '.join(FORMATS)}")
    if chosen == "registry" and not os.environ.get("SCHEMA_REGISTRY_URL"):
        sys.exit("SCHEMA_REGISTRY_URL is not set: the URL of your schema registry")
    main(os.environ.get("TRIBUTARY_KAFKA_BROKERS") or sys.exit("TRIBUTARY_KAFKA_BROKERS is not set"), FORMATS[chosen])
