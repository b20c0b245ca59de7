import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Materialized;

/**
 * Counts words with Kafka Streams, exactly once, in two runs on fresh state directories, so that the second
 * restores its counts from the changelog. Prints what a read_committed consumer sees last of each word.
 * Arguments: bootstrap servers, words a run, a directory for state.
 */
public class WordCount {
  public static void main(String[] arguments) throws Exception {
    String servers = arguments[0];
    int words = Integer.parseInt(arguments[1]);
    for (int run = 1; run <= 2; run++) {
      KafkaStreams streams = start(servers, arguments[2] + "/" + run);
      produce(servers, words);
      System.out.println("run " + run + " " + counts(servers, run * words / 10));
      streams.close(Duration.ofSeconds(20));
    }
    System.exit(0);
  }

  private static KafkaStreams start(String servers, String directory) {
    Properties settings = new Properties();
    settings.put("application.id", "word-count");
    settings.put("bootstrap.servers", servers);
    settings.put("processing.guarantee", "exactly_once_v2");
    settings.put("commit.interval.ms", "100");
    settings.put("num.stream.threads", "2");
    settings.put("default.key.serde", Serdes.StringSerde.class.getName());
    settings.put("default.value.serde", Serdes.StringSerde.class.getName());
    settings.put("consumer.auto.offset.reset", "earliest");
    // Streams does not leave its group when it closes: the second run waits for the first to time out.
    settings.put("consumer.session.timeout.ms", "6000");
    settings.put("consumer.heartbeat.interval.ms", "1000");
    settings.put("state.dir", directory);
    StreamsBuilder builder = new StreamsBuilder();
    builder.<String, String>stream("words")
        .groupBy((key, word) -> word)
        .count(Materialized.as("counts"))
        .toStream()
        .mapValues(count -> Long.toString(count))
        .to("word-counts");
    KafkaStreams streams = new KafkaStreams(builder.build(), settings);
    streams.start();
    return streams;
  }

  private static void produce(String servers, int words) {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", servers);
    settings.put("key.serializer", StringSerializer.class.getName());
    settings.put("value.serializer", StringSerializer.class.getName());
    try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings)) {
      for (int i = 0; i < words; i++) {
        producer.send(new ProducerRecord<>("words", "key-" + i, "word-" + i % 10));
      }
    }
  }

  /** Waits until all ten words have the expected count. */
  private static Map<String, String> counts(String servers, int expected) {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", servers);
    settings.put("group.id", "reader-" + expected);
    settings.put("auto.offset.reset", "earliest");
    settings.put("isolation.level", "read_committed");
    settings.put("key.deserializer", StringDeserializer.class.getName());
    settings.put("value.deserializer", StringDeserializer.class.getName());
    Map<String, String> last = new TreeMap<>();
    long end = System.currentTimeMillis() + 40_000;
    try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(settings)) {
      consumer.subscribe(List.of("word-counts"));
      while (System.currentTimeMillis() < end) {
        for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
          last.put(record.key(), record.value());
        }
        String wanted = Integer.toString(expected);
        if (last.size() == 10 && last.values().stream().allMatch(wanted::equals)) break;
      }
    }
    return last;
  }
}
