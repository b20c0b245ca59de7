import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Properties;
import java.util.zip.CRC32;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.Stores;

/**
 * The services of service.ts with Kafka Streams: one thread, exactly once, a commit every 100 ms, everything
 * else as it comes. Values stay bytes: the filter looks for the one field it needs and passes the bytes on.
 * Arguments: bootstrap servers, application id, filter or count, rocksdb or memory, bytes of cache, a
 * directory for state. Says and takes the same lines as service.ts.
 */
public class StreamsPeer {
  public static void main(String[] arguments) throws Exception {
    String id = arguments[1];
    boolean isFilter = arguments[2].equals("filter");
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
    say(input, "ready", "go");
    StreamsBuilder builder = new StreamsBuilder();
    KStream<String, byte[]> payments = builder.stream("payments");
    if (isFilter) payments.filter((key, value) -> isCaptured(value)).to(id + "-out");
    else payments.groupByKey().count(counts(arguments[3].equals("memory")));
    KafkaStreams streams = new KafkaStreams(builder.build(), settings(arguments));
    streams.start();
    while (streams.state() != KafkaStreams.State.RUNNING) Thread.sleep(5);
    say(input, "running", "tell");
    say(input, isFilter ? "{}" : "{\"digest\":\"" + digest(streams) + "\"}", null);
    streams.close(Duration.ofSeconds(20));
    System.exit(0);
  }

  private static Properties settings(String[] arguments) {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", arguments[0]);
    settings.put("application.id", arguments[1]);
    settings.put("processing.guarantee", "exactly_once_v2");
    settings.put("commit.interval.ms", "100");
    settings.put("num.stream.threads", "1");
    settings.put("replication.factor", "1");
    settings.put("default.key.serde", Serdes.StringSerde.class.getName());
    settings.put("default.value.serde", Serdes.ByteArraySerde.class.getName());
    settings.put("consumer.auto.offset.reset", "earliest");
    settings.put("statestore.cache.max.bytes", arguments[4]);
    settings.put("state.dir", arguments[5]);
    return settings;
  }

  private static Materialized<String, Long, KeyValueStore<Bytes, byte[]>> counts(boolean inMemory) {
    return inMemory
        ? Materialized.as(Stores.inMemoryKeyValueStore("counts"))
        : Materialized.as("counts");
  }

  /** Whether field 4 of the message, its status, begins with a C. */
  private static boolean isCaptured(byte[] message) {
    int at = 0;
    while (at < message.length) {
      int tag = message[at++];
      if ((tag & 7) == 0) {
        while (message[at++] < 0) {}
      } else {
        int length = message[at++];
        if (tag >> 3 == 4) return message[at] == 'C';
        at += length;
      }
    }
    return false;
  }

  private static String digest(KafkaStreams streams) {
    List<String> lines = new ArrayList<>();
    try (KeyValueIterator<String, Long> rows =
        streams
            .store(
                StoreQueryParameters.fromNameAndType(
                    "counts", QueryableStoreTypes.<String, Long>keyValueStore()))
            .all()) {
      while (rows.hasNext()) {
        KeyValue<String, Long> row = rows.next();
        lines.add(row.key + "=" + row.value + "\n");
      }
    }
    Collections.sort(lines);
    CRC32 sum = new CRC32();
    for (String line : lines) sum.update(line.getBytes(StandardCharsets.UTF_8));
    return lines.size() + " rows, CRC-32 " + Long.toHexString(sum.getValue());
  }

  /** Says a line and waits for the answer; null: for the end of the input. */
  private static void say(BufferedReader input, String line, String answer) throws Exception {
    System.out.println(line);
    for (String got = input.readLine(); got != null && !got.equals(answer); got = input.readLine()) {}
  }
}
