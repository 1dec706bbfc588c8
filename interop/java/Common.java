import java.io.PrintStream;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.selector.SelectMessageQueueByHash;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * What the programs here share: the messages, the lines about them, sending in every mode. Uses only what every release since
 * 4.3.2 has.
 *
 * A message's key is `<mode>-<n>`; its body is `body of <key>`, padded; the tag cycles through TagA, TagB, TagC.
 */
final class Common {
    static final PrintStream OUT = new PrintStream(System.out, true);
    static final int WAIT_SECONDS = 150;

    private Common() { }

    static void say(String line) {
        synchronized (OUT) {
            OUT.println(line);
        }
    }

    static String option(String[] step, String name, String otherwise) {
        for (String word : step) {
            if (word.startsWith(name + "=")) {
                return word.substring(name.length() + 1);
            }
        }
        return otherwise;
    }

    static int number(String[] step, String name, int otherwise) {
        return Integer.parseInt(option(step, name, String.valueOf(otherwise)));
    }

    /** With patience for answers on a busy machine, which clients before 4.9 cannot be told. */
    static void connect(ClientConfig client, String namesrv) throws Exception {
        client.setNamesrvAddr(namesrv);
        for (Method m : ClientConfig.class.getMethods()) {
            if (m.getName().equals("setMqClientApiTimeout")) {
                m.invoke(client, 30_000);
            }
        }
    }

    static Message message(String topic, String mode, int n, int pad) {
        String key = mode + "-" + n;
        StringBuilder body = new StringBuilder("body of " + key);
        while (body.length() < pad) {
            body.append(" .");
        }
        String tag = new String[] {"TagA", "TagB", "TagC"}[n % 3];
        Message m = new Message(topic, tag, key, body.toString().getBytes(StandardCharsets.UTF_8));
        m.putUserProperty("n", String.valueOf(n));
        return m;
    }

    static void sent(String who, String key, SendResult r) {
        if (r.getSendStatus() != SendStatus.SEND_OK) {
            throw new IllegalStateException(r.toString());
        }
        sent(who, key, r, 0);
    }

    /** Of the message at this place of a batch. */
    static void sent(String who, String key, SendResult r, int place) {
        say(who + "SENT " + key + " " + r.getMessageQueue().getQueueId() + " " + (r.getQueueOffset() + place) + " "
            + r.getMessageQueue().getBrokerName());
    }

    /** The last word is the time in milliseconds from the message's birth to its being stored where it was got. */
    static void got(String who, String what, MessageExt m, String broker) {
        say(who + what + " " + m.getKeys() + " " + m.getQueueId() + " " + m.getQueueOffset() + " " + m.getTags() + " "
            + m.getReconsumeTimes() + " " + broker + " " + (m.getStoreTimestamp() - m.getBornTimestamp()));
        String body = new String(m.getBody(), StandardCharsets.UTF_8);
        if (!body.startsWith("body of " + m.getKeys())) {
            say("BAD body of " + m.getKeys() + ": " + body);
        }
    }

    /** Sends the messages with the numbers of `from` and the following; ends when all are answered. */
    static void produce(DefaultMQProducer producer, String who, String topic, String mode, int count, String[] options)
        throws Exception {
        int from = number(options, "from", 0);
        if (mode.equals("batch")) {
            for (int n = from; n < from + count; n += 10) {
                List<Message> list = new ArrayList<>();
                for (int k = n; k < Math.min(n + 10, from + count); k++) {
                    list.add(message(topic, mode, k, number(options, "pad", 0)));
                }
                SendResult r = producer.send(list);
                for (int k = 0; k < list.size(); k++) {
                    sent(who, list.get(k).getKeys(), r, k);
                }
            }
            return;
        }
        CountDownLatch left = new CountDownLatch(mode.equals("async") ? count : 0);
        AtomicInteger failed = new AtomicInteger();
        for (int n = from; n < from + count; n++) {
            Message m = message(topic, mode, n, number(options, "pad", 0));
            if (number(options, "delay", 0) > 0) {
                m.setDelayTimeLevel(number(options, "delay", 0));
            }
            if (option(options, "retry", "0").equals("1")) {
                sendUntilSent(producer, who, m, mode, n);
            } else {
                sendOne(producer, who, m, mode, n, left, failed);
            }
        }
        if (!left.await(WAIT_SECONDS, TimeUnit.SECONDS) || failed.get() > 0) {
            throw new IllegalStateException("async sends failed: " + failed + ", open: " + left.getCount());
        }
        if (mode.equals("oneway")) {
            // The frames are in the socket when a later request on the same connection has been answered.
            for (MessageQueue q : producer.fetchPublishMessageQueues(topic)) {
                producer.maxOffset(q);
            }
        }
    }

    /** For a broker that goes away: a message may be stored twice, but is stored. */
    static void sendUntilSent(DefaultMQProducer producer, String who, Message m, String mode, int n) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_SECONDS);
        while (true) {
            try {
                sendOne(producer, who, m, mode, n, null, null);
                return;
            } catch (InterruptedException e) {
                throw e;
            } catch (Exception e) {
                if (System.nanoTime() > deadline) {
                    throw e;
                }
                Thread.sleep(100);
            }
        }
    }

    static void sendOne(DefaultMQProducer producer, String who, Message m, String mode, int n, CountDownLatch left,
        AtomicInteger failed) throws Exception {
        switch (mode) {
            case "sync":
                sent(who, m.getKeys(), producer.send(m));
                break;
            case "oneway":
                producer.sendOneway(m);
                break;
            case "ordered":
                sent(who, m.getKeys(), producer.send(m, new SelectMessageQueueByHash(), "order-" + n % 7));
                break;
            case "async":
                producer.send(m, new SendCallback() {
                    @Override
                    public void onSuccess(SendResult r) {
                        sent(who, m.getKeys(), r);
                        left.countDown();
                    }

                    @Override
                    public void onException(Throwable e) {
                        e.printStackTrace();
                        failed.incrementAndGet();
                        left.countDown();
                    }
                });
                break;
            default:
                throw new IllegalArgumentException(mode);
        }
    }

    /** The enum lives in another package in each release line. */
    @SuppressWarnings({"unchecked", "rawtypes"})
    static void broadcasting(DefaultMQPushConsumer consumer) throws Exception {
        for (Method m : DefaultMQPushConsumer.class.getMethods()) {
            if (m.getName().equals("setMessageModel")) {
                m.invoke(consumer, Enum.valueOf((Class) m.getParameterTypes()[0], "BROADCASTING"));
            }
        }
    }

    /** A client that ends waits for a thread that sleeps up to 3 s: whenever `closing` does so, that thread is woken. */
    static void hurry(Thread closing) {
        Thread waker = new Thread(() -> {
            Thread[] all = new Thread[1000];
            try {
                while (true) {
                    Thread.sleep(20);
                    int running = in(closing, "join") ? Thread.enumerate(all) : 0;
                    for (int n = 0; n < running; n++) {
                        if (all[n].getName().startsWith("NettyEventExecut") && in(all[n], "poll")) {
                            all[n].interrupt();
                        }
                    }
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        waker.setDaemon(true);
        waker.start();
    }

    /** Whether a thread is waiting in a method of this name. */
    static boolean in(Thread thread, String method) {
        return Arrays.stream(thread.getStackTrace()).limit(7).anyMatch(frame -> frame.getMethodName().equals(method));
    }
}
