import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Runs of Confluent's Parallel Consumer, each a line of name=value words; prints the figures of each as a line of
 * JSON. One process does many, so that its code is compiled.
 */
public class Main {
  public static void main(String[] args) throws Exception {
    var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line; (line = lines.readLine()) != null; ) {
      Map<String, String> job = new HashMap<>();
      for (String word : line.split(" ")) {
        int at = word.indexOf('=');
        job.put(word.substring(0, at), word.substring(at + 1));
      }
      System.out.println(run(job));
      System.out.flush();
    }
    Runtime.getRuntime().halt(0); // some threads of the library outlive it
  }

  static String run(Map<String, String> job) {
    try {
      WarmUp warmUp = WarmUp.of(job);
      warmUp.go();
      System.gc();
      try {
        Files.writeString(Path.of("/proc/self/clear_refs"), "5"); // the memory of this run, not of those before
      } catch (Exception e) {
        // then it is the most of all runs
      }
      Meter meter = consume(job, job.get("group"), Long.parseLong(job.get("limit")), Long.parseLong(job.get("ramp")));
      return meter.json(warmUp);
    } catch (Exception e) {
      return "{\"Error\":\"" + e.toString().replaceAll("[\"\\\\\\p{Cntrl}]", "'") + "\"}";
    }
  }

  /** The same work as other groups, until what a message costs falls no more. Once for each kind of work. */
  static class WarmUp {
    private static final Map<String, WarmUp> DONE = new HashMap<>();
    private static final long SLICE = TimeUnit.SECONDS.toNanos(2);
    private static final double FALLS = 0.9; // less than this share of the least before
    private static final int FLAT = 3; // slices in a row that don't fall
    private final Map<String, String> job;
    private boolean ended;
    private boolean steady;
    private double seconds;

    private WarmUp(Map<String, String> job) {
      this.job = job;
    }

    static WarmUp of(Map<String, String> job) {
      boolean waits = !job.get("sleep").equals("0") || !job.get("slow").equals("0");
      return DONE.computeIfAbsent(job.get("ordering") + waits + job.get("workers"), key -> new WarmUp(job));
    }

    void go() throws Exception {
      if (ended) {
        return;
      }
      ended = true;
      long began = System.nanoTime();
      long most = Long.parseLong(job.get("warmup"));
      double least = Double.MAX_VALUE;
      for (int i = 0, flat = 0; flat < FLAT && System.nanoTime() - began < most; i++) {
        double cost = consume(job, job.get("group") + "-warmup" + i, SLICE, 0).cost();
        flat = cost < least * FALLS ? 0 : flat + 1;
        least = Math.min(least, cost);
        steady = flat >= FLAT;
      }
      seconds = (System.nanoTime() - began) / 1e9;
    }
  }

  /** Consumes until all is handled or the time is up, commits, and returns what was measured. */
  static Meter consume(Map<String, String> job, String group, long limitNanos, long rampNanos) throws Exception {
    Meter meter = new Meter(job, rampNanos);
    var consumer = new KafkaConsumer<String, byte[]>(config(job, group));
    var options = ParallelConsumerOptions.<String, byte[]>builder()
        .consumer(consumer)
        .ordering(ProcessingOrder.valueOf(job.get("ordering")))
        .maxConcurrency(Integer.parseInt(job.get("workers")))
        .build();
    ParallelStreamProcessor<String, byte[]> processor = ParallelStreamProcessor.createEosStreamProcessor(options);
    processor.subscribe(List.of(job.get("topic")));
    processor.poll(context -> meter.handle(context.getSingleConsumerRecord()));
    if (!meter.started.await(60, TimeUnit.SECONDS)) {
      throw new IllegalStateException("got no message");
    }
    meter.done.await(limitNanos, TimeUnit.NANOSECONDS);
    meter.stop();
    try {
      processor.closeDontDrainFirst(Duration.ofSeconds(20));
    } catch (Exception e) {
      meter.error = e.toString();
    }
    return meter;
  }

  static Properties config(Map<String, String> job, String group) {
    Properties p = new Properties();
    p.put("bootstrap.servers", job.get("brokers"));
    p.put("group.id", group);
    p.put("enable.auto.commit", "false");
    p.put("auto.offset.reset", "earliest");
    p.put("max.partition.fetch.bytes", job.get("fetch"));
    // As strings, because arrays with the same bytes are different keys to the library.
    p.put("key.deserializer", StringDeserializer.class.getName());
    p.put("value.deserializer", ByteArrayDeserializer.class.getName());
    return p;
  }

  /** The handler: it does the work and counts, as package load does. */
  static class Meter {
    final CountDownLatch started = new CountDownLatch(1);
    final CountDownLatch done = new CountDownLatch(1);
    volatile String error = "";
    private final long sleep;
    private final long slow;
    private final boolean random;
    private final boolean skipFirst;
    private final long[] totals;
    private final AtomicLong[] counts;
    private final AtomicLong[] sums;
    private final AtomicLong startSum = new AtomicLong(); // when those in flight began, added up
    private final AtomicInteger left = new AtomicInteger();
    private final AtomicInteger inFlight = new AtomicInteger();
    private final AtomicInteger peak = new AtomicInteger();
    private final long ramp;
    private volatile long firstAt;
    private final AtomicBoolean first = new AtomicBoolean();
    private final AtomicBoolean begun = new AtomicBoolean();
    private final AtomicBoolean ended = new AtomicBoolean();
    private volatile long beganAt;
    private volatile long beganCPU;
    private volatile long endedAt;
    private volatile long endedCPU;
    private volatile boolean cut;
    private volatile long handled;
    private volatile long skipped;

    /** Counts and times what comes a ramp after the first message, or after a quarter of a partition. */
    Meter(Map<String, String> job, long rampNanos) {
      ramp = rampNanos;
      sleep = Long.parseLong(job.get("sleep"));
      slow = Long.parseLong(job.get("slow"));
      random = Boolean.parseBoolean(job.get("random"));
      skipFirst = Boolean.parseBoolean(job.get("skipfirst"));
      String[] parts = job.get("totals").split(",");
      totals = new long[parts.length];
      counts = new AtomicLong[parts.length];
      sums = new AtomicLong[parts.length];
      for (int i = 0; i < parts.length; i++) {
        totals[i] = Long.parseLong(parts[i]);
        counts[i] = new AtomicLong();
        sums[i] = new AtomicLong();
        if (totals[i] > 0 && counted(i)) {
          left.incrementAndGet();
        }
      }
    }

    void handle(ConsumerRecord<String, byte[]> record) {
      if (!begun.get()) {
        begin(record.partition());
      }
      long nanos = workOf(record.partition(), record.offset());
      if (nanos > 0) {
        peak.accumulateAndGet(inFlight.incrementAndGet(), Math::max);
        long startedAt = System.nanoTime() - firstAt;
        startSum.addAndGet(startedAt);
        long until = startedAt + firstAt + nanos;
        for (long rest = nanos; rest > 0; rest = until - System.nanoTime()) {
          LockSupport.parkNanos(rest);
        }
        startSum.addAndGet(-startedAt);
        inFlight.decrementAndGet();
      }
      int p = record.partition();
      sums[p].addAndGet(record.offset());
      if (counts[p].incrementAndGet() == totals[p] && counted(p) && left.decrementAndGet() == 0) {
        end(false);
        done.countDown();
      }
    }

    private void begin(int partition) {
      if (first.compareAndSet(false, true)) {
        firstAt = System.nanoTime();
        started.countDown();
      }
      boolean ramped = firstAt != 0 && System.nanoTime() - firstAt >= ramp || counts[partition].get() * 4 > totals[partition];
      if (ramped && begun.compareAndSet(false, true)) {
        beganCPU = cpu();
        skipped = ramp > 0 ? counted() + doneOf(inFlight.get()) : 0;
        beganAt = System.nanoTime();
      }
    }

    /** How many messages' work is done of those in flight: they may all be about to end, or have begun just now. */
    private long doneOf(int flying) {
      long each = random ? sleep / 2 : sleep;
      return each == 0 ? 0 : Math.max(0, Math.min(flying, (flying * (System.nanoTime() - firstAt) - startSum.get()) / each));
    }

    private long counted() {
      long n = 0;
      for (int i = 0; i < counts.length; i++) {
        n += counted(i) ? counts[i].get() : 0;
      }
      return n;
    }

    /** Seconds of CPU a message. */
    double cost() {
      return (endedCPU - beganCPU) / 1e9 / Math.max(1, handled);
    }

    private long workOf(int partition, long offset) {
      if (slow > 0 && partition == 0) {
        return slow;
      }
      return random ? Long.remainderUnsigned(mix(((long) partition << 48) ^ offset), sleep) : sleep;
    }

    private static long mix(long x) {
      x += 0x9e3779b97f4a7c15L;
      x = (x ^ (x >>> 30)) * 0xbf58476d1ce4e5b9L;
      x = (x ^ (x >>> 27)) * 0x94d049bb133111ebL;
      return x ^ (x >>> 31);
    }

    private boolean counted(int partition) {
      return partition != 0 || (slow == 0 && !skipFirst);
    }

    void stop() {
      end(true);
    }

    private void end(boolean early) {
      if (!ended.compareAndSet(false, true)) {
        return;
      }
      endedAt = System.nanoTime();
      endedCPU = cpu();
      cut = early;
      if (!begun.get()) {
        error = "the time was up before the measured part began";
      }
      handled = counted() - skipped;
      for (int i = 0; i < counts.length; i++) {
        if (counted(i) && !early) {
          long n = counts[i].get();
          if (sums[i].get() != n * (n - 1) / 2) {
            error = "partition " + i + " had other offsets than 0 to " + (n - 1);
          }
        }
      }
    }

    private static long cpu() {
      return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }

    private static long maxRSS() throws Exception {
      for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
        if (line.startsWith("VmHWM:")) {
          return Long.parseLong(line.replaceAll("\\D", "")) << 10;
        }
      }
      return 0;
    }

    String json(WarmUp warmUp) throws Exception {
      return String.format(java.util.Locale.ROOT,
          "{\"Handled\":%d,\"Seconds\":%.9f,\"CPU\":%.9f,\"Peak\":%d,\"Cut\":%b,\"RSS\":%d,\"Error\":\"%s\",\"Extra\":{\"warm-up\":%.1f,\"steady\":%d}}",
          handled, (endedAt - beganAt) / 1e9, (endedCPU - beganCPU) / 1e9, peak.get(), cut, maxRSS(), error.replace('"', '\''),
          warmUp.seconds, warmUp.steady ? 1 : 0);
    }
  }
}
