// Writes what happened in a shop to Tributary's log with kafkajs.
//
//     TRIBUTARY_KAFKA_BROKERS=127.0.0.1:9092 node produce.js [binary|structured|protobuf|registry]
//
// Run it as often as you like, in any format: the ids are made from what happened, so each event counts once.

import { readFileSync } from "node:fs";
import process from "node:process";

import { createFileRegistry, fromBinary, fromJson, toBinary, toJson } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { SchemaRegistry, SchemaType } from "@kafkajs/confluent-schema-registry";
import { Kafka, Partitioners, logLevel } from "kafkajs";
import { v5 as uuidv5 } from "uuid";

const SOURCE = "https://corner-shop.example";

// The messages of schemas/tributary, compiled: copy the file into your project if you send protobuf.
const SCHEMAS = new URL("../../../../schemas/baseline.binpb", import.meta.url);

/** 1250 EUR of scale 2 are 12.50 EUR. Never a float. */
const money = (value, asset_code, asset_scale) => ({ value: String(value), asset_code, asset_scale });

/** A CloudEvent. Its id is made from the fact, so that whoever tells it again tells the same event. */
const event = (type, fact, time, subject, data) => ({
  specversion: "1.0",
  id: uuidv5(`${SOURCE}/${fact}`, uuidv5.URL),
  source: SOURCE,
  type: `tributary.${type}.v1`,
  time,
  subject,
  data,
});

/** A payment and its refund, a receiver that was paid, and what a page earned. */
const happened = () => [
  event("payment.started", "payments/pay-2001/started", "2026-03-02T08:00:58Z", "pay-2001", {
    payment_id: "pay-2001", user_id: "ana", payment_type: "credit", provider: "stripe", merchant_id: "corner-shop",
    amount: money(1250, "EUR", 2), description: "Two mugs for the café",
  }),
  event("payment.posted", "payments/pay-2001/posted", "2026-03-02T08:01:03.25Z", "pay-2001", {
    payment_id: "pay-2001", transaction_id: "txn-2001", user_id: "ana", payment_type: "credit", provider: "stripe",
    merchant_id: "corner-shop", amount: money(1250, "EUR", 2), fee: money(44, "EUR", 2),
    lines: [{ sku: "MUG-2", description: "Mug", quantity: "2", unit_price: money(625, "EUR", 2) }],
  }),
  event("payment.refunded", "payments/pay-2001/refunds/re-1", "2026-03-05T16:20:00Z", "pay-2001", {
    payment_id: "pay-2001", refund_id: "re-1", transaction_id: "txn-2002", provider: "stripe", merchant_id: "corner-shop",
    amount: money(625, "EUR", 2), reason: "one arrived broken",
  }),
  event("receiver.created", "receivers/rcv-31", "2026-03-02T09:00:00Z", "rcv-31", {
    receiver_id: "rcv-31", merchant_id: "corner-shop", chain: "dash", address: "XmNfXq2kDmrNBTiDTofohRemwGur1WmgTT",
    amount_fiat: money(1000, "EUR", 2), base_fiat: "31.25", amount_due: money(32000000, "DASH", 8),
    expires_at: "2026-03-02T09:15:00Z",
  }),
  event("receiver.payment_detected", "receivers/rcv-31/outputs/9f2c-0/detected", "2026-03-02T09:02:11Z", "rcv-31", {
    receiver_id: "rcv-31", merchant_id: "corner-shop", chain: "dash", txid: "9f2c", vout: 0,
    address: "XmNfXq2kDmrNBTiDTofohRemwGur1WmgTT", amount: money(32000000, "DASH", 8), instant_locked: true,
  }),
  event("site.registered", "sites/blog", "2026-03-01T12:00:00Z", "blog", {
    plugin_id: "blog", payment_pointer: "$wallet.example/blog", time_zone: "Europe/Paris",
  }),
  event("monetization.received", "sites/blog/sessions/s-1/1", "2026-03-02T20:15:30Z", "blog", {
    plugin_id: "blog", payment_pointer: "$wallet.example/blog", post_id: "p-1", session_id: "s-1", amount: money(200, "USD", 6),
  }),
];

/** Payments, settlements, payouts and journals have a topic, receivers another, and what pages earn a third. */
const topic = ({ type }) =>
  ({ payment: "tributary.payments", receiver: "tributary.receivers" })[type.split(".")[1]] ?? "tributary.monetization";

/** CloudEvents' binary mode: the attributes are headers, and the value is the data alone. */
const headers = ({ data, ...attributes }, contentType) => ({
  "content-type": contentType,
  ...Object.fromEntries(Object.entries(attributes).map(([name, text]) => [`ce_${name}`, text])),
});

const formats = {
  binary: (event) => ({ value: JSON.stringify(event.data), headers: headers(event, "application/json") }),

  structured: (event) => ({ value: JSON.stringify(event), headers: { "content-type": "application/cloudevents+json" } }),

  protobuf: (event) => {
    const message = messageOf(event);
    const value = Buffer.from(toBinary(message, fromJson(message, event.data)));
    return { value, headers: headers(event, "application/protobuf") };
  },

  /** Protobuf behind its schema's number; the schema was registered before, with the message's name for its subject. */
  registry: async (event) => {
    const message = messageOf(event);
    const registry = new SchemaRegistry(
      { host: process.env.SCHEMA_REGISTRY_URL },
      { [SchemaType.PROTOBUF]: { messageName: message.name } },
    );
    // This client passes over fields that it does not know, so the data is checked and named as it wants it first.
    const data = toJson(message, fromJson(message, event.data));
    const value = await registry.encode(await registry.getLatestSchemaId(message.typeName), data);
    return { value, headers: headers(event, "application/protobuf") };
  },
};

/** The description of an event's data: payment.post_requested is a PaymentPostRequested. Fields it lacks are errors. */
function messageOf({ type }) {
  const schemas = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(SCHEMAS)));
  const words = type.replace(/^tributary\.|\.v1$/g, "").split(/[._]/);
  return schemas.getMessage(`tributary.events.v1.${words.map((word) => word[0].toUpperCase() + word.slice(1)).join("")}`);
}

async function main(brokers, encode) {
  const records = new Map(); // topic → its records
  for (const event of happened()) {
    const record = { key: event.subject, ...(await encode(event)) };
    records.set(topic(event), [...(records.get(topic(event)) ?? []), record]);
  }
  const kafka = new Kafka({
    brokers: brokers.split(","),
    logLevel: logLevel.NOTHING, // what fails is thrown, and said below
    retry: { retries: 5 }, // some ten seconds
  });
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner, // Java's, so that a subject has one partition in all languages
  });
  try {
    await producer.connect();
    const written = await producer.sendBatch({
      acks: -1, // all
      topicMessages: [...records].map(([topic, messages]) => ({ topic, messages })),
    });
    for (const { topicName, partition, baseOffset } of written) {
      console.log(`written to ${topicName}, partition ${partition}, from offset ${baseOffset}`);
    }
  } finally {
    await producer.disconnect();
  }
}

const { TRIBUTARY_KAFKA_BROKERS: brokers } = process.env;
const chosen = process.argv[2] ?? "binary";
if (!brokers || !Object.hasOwn(formats, chosen)) {
  console.error(brokers ? `${chosen} is none of ${Object.keys(formats).join(", ")}` : "TRIBUTARY_KAFKA_BROKERS is not set");
  process.exit(1);
}
if (chosen === "registry" && !process.env.SCHEMA_REGISTRY_URL) {
  console.error("SCHEMA_REGISTRY_URL is not set: the URL of your schema registry");
  process.exit(1);
}
try {
  await main(brokers, formats[chosen]);
} catch (error) {
  console.error(`not written: ${error.message}; run this again, what was written counts once`);
  process.exit(1);
}
