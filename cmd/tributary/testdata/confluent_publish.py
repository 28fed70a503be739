#!/usr/bin/env python3
"""Publish NDJSON CloudEvents with confluent-kafka, as a producer in another language would, in structured mode.

  confluent_publish.py BROKERS TOPIC FILE

Its default partitioner hashes keys otherwise than ours, so an event that we published lands on another partition.
"""
import json
import sys

from confluent_kafka import Producer


def main():
    brokers, topic, path = sys.argv[1:]
    producer = Producer({"bootstrap.servers": brokers, "acks": "all", "enable.idempotence": True,
                         "queue.buffering.max.messages": 2_000_000, "message.max.bytes": 4_000_000})
    failed = []

    def delivered(error, _message):
        if error is not None:
            failed.append(str(error))

    with open(path, "rb") as lines:
        for line in lines:
            subject = json.loads(line)["subject"]
            producer.produce(topic, key=subject.encode(), value=line.rstrip(b"\n"), on_delivery=delivered,
                             headers={"content-type": "application/cloudevents+json"})
            producer.poll(0)
    producer.flush()
    if failed:
        sys.exit("not delivered: " + failed[0])


if __name__ == "__main__":
    main()
