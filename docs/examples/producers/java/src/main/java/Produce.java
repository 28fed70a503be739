import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.uuid.Generators;
import com.fasterxml.uuid.impl.NameBasedGenerator;
import com.google.protobuf.CodedOutputStream;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.core.message.Encoding;
import io.cloudevents.kafka.CloudEventSerializer;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.serialization.StringSerializer;
import tributary.events.v1.Common.Money;
import tributary.events.v1.Monetization.MonetizationReceived;
import tributary.events.v1.Monetization.SiteRegistered;
import tributary.events.v1.Options;
import tributary.events.v1.Payments.Line;
import tributary.events.v1.Payments.PaymentPosted;
import tributary.events.v1.Payments.PaymentRefunded;
import tributary.events.v1.Payments.PaymentStarted;
import tributary.events.v1.Receivers.ReceiverCreated;
import tributary.events.v1.Receivers.ReceiverPaymentDetected;

/**
 * Writes what happened in a shop to Tributary's log with the CloudEvents SDK and kafka-clients.
 *
 * <pre>
 * mvn -q package
 * TRIBUTARY_KAFKA_BROKERS=127.0.0.1:9092 java -jar target/producer.jar [binary|structured|protobuf|registry]
 * </pre>
 *
 * Run it as often as you like, in any format: the ids are made from what happened, so each event counts once.
 */
public final class Produce {
  static final String SOURCE = "https://corner-shop.example";

  static final String BROKERS = System.getenv("TRIBUTARY_KAFKA_BROKERS");

  static final HttpClient HTTP = HttpClient.newHttpClient(); // for the schema registry

  /** What happened, once, when; and what of: a message of schemas/tributary. */
  record Fact(String name, String time, Message data) {}

  /** 1250 EUR of scale 2 are 12.50 EUR. Never a double. */
  static Money money(long value, String assetCode, int assetScale) {
    return Money.newBuilder().setValue(Long.toString(value)).setAssetCode(assetCode).setAssetScale(assetScale).build();
  }

  /** A payment and its refund, a receiver that was paid, and what a page earned. */
  static List<Fact> happened() {
    return List.of(
        new Fact("payments/pay-2001/started", "2026-03-02T08:00:58Z", PaymentStarted.newBuilder()
            .setPaymentId("pay-2001").setUserId("ana").setPaymentType("credit").setProvider("stripe")
            .setMerchantId("corner-shop").setAmount(money(1250, "EUR", 2)).setDescription("Two mugs for the café").build()),
        new Fact("payments/pay-2001/posted", "2026-03-02T08:01:03.25Z", PaymentPosted.newBuilder()
            .setPaymentId("pay-2001").setTransactionId("txn-2001").setUserId("ana").setPaymentType("credit")
            .setProvider("stripe").setMerchantId("corner-shop").setAmount(money(1250, "EUR", 2)).setFee(money(44, "EUR", 2))
            .addLines(Line.newBuilder().setSku("MUG-2").setDescription("Mug").setQuantity("2").setUnitPrice(money(625, "EUR", 2)))
            .build()),
        new Fact("payments/pay-2001/refunds/re-1", "2026-03-05T16:20:00Z", PaymentRefunded.newBuilder()
            .setPaymentId("pay-2001").setRefundId("re-1").setTransactionId("txn-2002").setProvider("stripe")
            .setMerchantId("corner-shop").setAmount(money(625, "EUR", 2)).setReason("one arrived broken").build()),
        new Fact("receivers/rcv-31", "2026-03-02T09:00:00Z", ReceiverCreated.newBuilder()
            .setReceiverId("rcv-31").setMerchantId("corner-shop").setChain("dash")
            .setAddress("XmNfXq2kDmrNBTiDTofohRemwGur1WmgTT").setAmountFiat(money(1000, "EUR", 2)).setBaseFiat("31.25")
            .setAmountDue(money(32000000, "DASH", 8)).setExpiresAt("2026-03-02T09:15:00Z").build()),
        new Fact("receivers/rcv-31/outputs/9f2c-0/detected", "2026-03-02T09:02:11Z", ReceiverPaymentDetected.newBuilder()
            .setReceiverId("rcv-31").setMerchantId("corner-shop").setChain("dash").setTxid("9f2c").setVout(0)
            .setAddress("XmNfXq2kDmrNBTiDTofohRemwGur1WmgTT").setAmount(money(32000000, "DASH", 8)).setInstantLocked(true)
            .build()),
        new Fact("sites/blog", "2026-03-01T12:00:00Z", SiteRegistered.newBuilder()
            .setPluginId("blog").setPaymentPointer("$wallet.example/blog").setTimeZone("Europe/Paris").build()),
        new Fact("sites/blog/sessions/s-1/1", "2026-03-02T20:15:30Z", MonetizationReceived.newBuilder()
            .setPluginId("blog").setPaymentPointer("$wallet.example/blog").setPostId("p-1").setSessionId("s-1")
            .setAmount(money(200, "USD", 6)).build()));
  }

  /** The schemas say of each message which type of event it is, and which topic and subject it has. */
  static Options.EventType typeOf(Message data) {
    return data.getDescriptorForType().getOptions().getExtension(Options.eventType);
  }

  static String subjectOf(Message data) {
    return (String) data.getField(data.getDescriptorForType().findFieldByName(typeOf(data).getSubject()));
  }

  /** The id is made from the fact, so that whoever tells it again tells the same event. */
  static CloudEvent event(Fact fact, String format) throws Exception {
    var builder = CloudEventBuilder.v1()
        .withId(Generators.nameBasedGenerator(NameBasedGenerator.NAMESPACE_URL).generate(SOURCE + "/" + fact.name()).toString())
        .withSource(URI.create(SOURCE))
        .withType(typeOf(fact.data()).getType())
        .withTime(OffsetDateTime.parse(fact.time()))
        .withSubject(subjectOf(fact.data()));
    return switch (format) {
      case "protobuf" -> builder.withData("application/protobuf", fact.data().toByteArray()).build();
      case "registry" -> builder.withData("application/protobuf", framed(fact.data())).build();
      default -> builder.withData("application/json", json(fact.data())).build();
    };
  }

  static byte[] json(Message data) throws Exception {
    return JsonFormat.printer().preservingProtoFieldNames().print(data).getBytes(StandardCharsets.UTF_8);
  }

  /**
   * Protobuf behind its schema's number and the message's place in its file, as Confluent's serializers write it (they are in
   * a Maven repository of their own). The schema was registered before, with the message's name for its subject.
   */
  static byte[] framed(Message data) throws Exception {
    var message = data.getDescriptorForType();
    var latest = URI.create(System.getenv("SCHEMA_REGISTRY_URL") + "/subjects/" + message.getFullName() + "/versions/latest");
    var answer = HTTP.send(HttpRequest.newBuilder(latest).build(), BodyHandlers.ofString());
    if (answer.statusCode() != 200) {
      throw new IllegalStateException(latest + " answered " + answer.body());
    }
    var bytes = new ByteArrayOutputStream();
    var frame = new DataOutputStream(bytes);
    frame.writeByte(0);
    frame.writeInt(new ObjectMapper().readTree(answer.body()).get("id").asInt());
    var path = CodedOutputStream.newInstance(bytes);
    path.writeSInt32NoTag(1); // one step from the file to the message
    path.writeSInt32NoTag(message.getIndex());
    path.flush();
    data.writeTo(bytes);
    return bytes.toByteArray();
  }

  static Map<String, Object> settings(String format) {
    var settings = new HashMap<String, Object>(Map.of(
        "bootstrap.servers", BROKERS,
        "acks", "all",
        "enable.idempotence", true,
        "max.block.ms", 20_000,
        "request.timeout.ms", 10_000,
        "delivery.timeout.ms", 20_000));
    if (format.equals("structured")) {
      settings.put(CloudEventSerializer.ENCODING_CONFIG, Encoding.STRUCTURED);
      settings.put(CloudEventSerializer.EVENT_FORMAT_CONFIG, io.cloudevents.jackson.JsonFormat.CONTENT_TYPE);
    }
    return settings;
  }

  /** Writes all events, waits until each is acknowledged, and returns how many were not. */
  static int produce(String format) throws Exception {
    int failed = 0;
    var serializer = new CloudEventSerializer();
    serializer.configure(settings(format), false);
    try (var producer = new KafkaProducer<>(settings(format), new StringSerializer(), serializer)) {
      producer.partitionsFor("tributary.payments"); // fails when no broker answers; each send would wait for that anew
      var sent = new ArrayList<Future<RecordMetadata>>();
      for (var fact : happened()) {
        var topic = typeOf(fact.data()).getTopic();
        sent.add(producer.send(new ProducerRecord<>(topic, subjectOf(fact.data()), event(fact, format))));
      }
      producer.flush();
      for (var one : sent) {
        try {
          var written = one.get();
          System.out.printf("written to %s, partition %d, offset %d%n", written.topic(), written.partition(), written.offset());
        } catch (ExecutionException e) {
          System.err.println("not written: " + e.getCause().getMessage());
          failed++;
        }
      }
    }
    return failed;
  }

  public static void main(String[] args) throws Exception {
    var format = args.length > 0 ? args[0] : "binary";
    if (BROKERS == null || !List.of("binary", "structured", "protobuf", "registry").contains(format)) {
      System.err.println(BROKERS == null
          ? "TRIBUTARY_KAFKA_BROKERS is not set"
          : format + " is none of binary, structured, protobuf, registry");
      System.exit(1);
    }
    if (format.equals("registry") && System.getenv().getOrDefault("SCHEMA_REGISTRY_URL", "").isEmpty()) {
      System.err.println("SCHEMA_REGISTRY_URL is not set: the URL of your schema registry");
      System.exit(1);
    }
    try {
      int failed = produce(format);
      if (failed > 0) {
        System.err.println(failed + " events were not written; run this again, what was written counts once");
        System.exit(1);
      }
    } catch (KafkaException e) {
      System.err.println("not written: no broker of " + BROKERS + " answers as it should: " + e.getMessage());
      System.exit(1);
    }
  }
}
