import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.FileInputStream;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * The balances by Kafka Streams: what each account was debited and credited, in a state store with a changelog.
 *
 * <p>Arguments: a file of Streams' properties, the topic of entries, how many it holds, whether their keys are accounts already ("keyed")
 * or they have to be partitioned anew ("rekey"), and the file that gets the outcome.
 */
public final class Balances {
    private static final JsonFactory JSON = new JsonFactory();
    private static final int SCALE = 18;
    private static final int SUM_BYTES = 32;

    /** How many entries were added up, for the clock; the changelog says it for sure. */
    private static final AtomicLong ADDED = new AtomicLong();

    /** A posting, and once it is serialized: 'd' or 'c', and the amount in units of 10^-18. */
    private record Entry(boolean credit, BigInteger units) {
        byte[] bytes() {
            byte[] number = units.toByteArray();
            byte[] all = new byte[1 + number.length];
            all[0] = (byte) (credit ? 'c' : 'd');
            System.arraycopy(number, 0, all, 1, number.length);
            return all;
        }

        static Entry of(byte[] all) {
            return new Entry(all[0] == 'c', new BigInteger(all, 1, all.length - 1));
        }
    }

    /** An account's sums, and of how many entries they are. */
    private record Sums(long entries, BigInteger debits, BigInteger credits) {
        Sums with(Entry entry) {
            return entry.credit
                    ? new Sums(entries + 1, debits, credits.add(entry.units))
                    : new Sums(entries + 1, debits.add(entry.units), credits);
        }

        byte[] bytes() {
            return ByteBuffer.allocate(Long.BYTES + 2 * SUM_BYTES).putLong(entries).put(padded(debits)).put(padded(credits)).array();
        }

        private static byte[] padded(BigInteger sum) {
            byte[] number = sum.toByteArray();
            byte[] all = new byte[SUM_BYTES];
            System.arraycopy(number, 0, all, SUM_BYTES - number.length, number.length);
            return all;
        }

        static Sums of(byte[] all) {
            return new Sums(
                    ByteBuffer.wrap(all).getLong(),
                    new BigInteger(all, Long.BYTES, SUM_BYTES),
                    new BigInteger(all, Long.BYTES + SUM_BYTES, SUM_BYTES));
        }
    }

    public static void main(String[] args) throws Exception {
        Properties settings = new Properties();
        try (FileInputStream file = new FileInputStream(args[0])) {
            settings.load(file);
        }
        long total = Long.parseLong(args[2]);
        StreamsBuilder builder = new StreamsBuilder();
        KStream<byte[], byte[]> rows = builder.stream(args[1], Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()));
        entries(rows, args[3].equals("keyed")).aggregate(
                () -> new Sums(0, BigInteger.ZERO, BigInteger.ZERO),
                (account, entry, sums) -> {
                    ADDED.incrementAndGet();
                    return sums.with(entry);
                },
                Materialized.<byte[], Sums, KeyValueStore<Bytes, byte[]>>as("balances")
                        .withKeySerde(Serdes.ByteArray())
                        .withValueSerde(serde(Sums::bytes, Sums::of)));
        KafkaStreams streams = new KafkaStreams(builder.build(settings), settings);
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
            return StreamThreadExceptionResponse.SHUTDOWN_APPLICATION;
        });
        streams.start();
        long first = await(1);
        long began = System.nanoTime();
        await(total);
        double seconds = (System.nanoTime() - began) / 1e9;
        streams.close(); // Commits.
        Files.writeString(Path.of(args[4]), "{\"first\": " + first + ", \"seconds\": " + seconds + "}\n");
        System.exit(0);
    }

    /** Waits until so many entries were added up, and returns how many it were. */
    private static long await(long entries) throws InterruptedException {
        while (ADDED.get() < entries) {
            Thread.sleep(2);
        }
        return ADDED.get();
    }

    private static KGroupedStream<byte[], Entry> entries(KStream<byte[], byte[]> rows, boolean keyed) {
        Grouped<byte[], Entry> grouped = Grouped.with("by-account", Serdes.ByteArray(), serde(Entry::bytes, Entry::of));
        return keyed
                ? rows.mapValues(row -> parse(row).value).groupByKey(grouped)
                : rows.map((key, row) -> parse(row)).groupByKey(grouped);
    }

    /** Reads a row as account (with ledger and asset) and entry. */
    private static KeyValue<byte[], Entry> parse(byte[] row) {
        String ledger = null;
        String account = null;
        String asset = null;
        boolean credit = false;
        BigDecimal amount = null;
        try (JsonParser parser = JSON.createParser(row)) {
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String field = parser.currentName();
                parser.nextToken();
                switch (field) {
                    case "ledger" -> ledger = parser.getText();
                    case "account" -> account = parser.getText();
                    case "asset_code" -> asset = parser.getText();
                    case "direction" -> credit = parser.getText().equals("credit");
                    case "amount" -> amount = parser.getDecimalValue();
                    default -> { }
                }
            }
        } catch (IOException error) {
            throw new IllegalArgumentException("not a row: " + Arrays.toString(row), error);
        }
        byte[] key = (ledger + "/" + account + "/" + asset).getBytes(StandardCharsets.UTF_8);
        return KeyValue.pair(key, new Entry(credit, amount.setScale(SCALE).unscaledValue()));
    }

    private interface Write<T> {
        byte[] bytes(T value);
    }

    private interface Read<T> {
        T of(byte[] bytes);
    }

    private static <T> Serde<T> serde(Write<T> write, Read<T> read) {
        return Serdes.serdeFrom(
                (topic, value) -> value == null ? null : write.bytes(value),
                (topic, bytes) -> bytes == null ? null : read.of(bytes));
    }
}
