import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.security.Permission;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.selector.SelectMessageQueueByHash;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.tools.command.MQAdminStartup;

/**
 * Many mqadmin commands in one process, with the official command classes, and clients beside them for the commands that look
 * at clients.
 *
 *   java Operator STEPS NAME=VALUE ...
 *
 * STEPS is a file. Every line is a step: the words of an mqadmin command without its name servers, or one of
 *
 *   !produce TOPIC COUNT     COUNT messages, the same on every run; remembers ids as {unique} and {offset}
 *   !hold TOPIC GROUP COUNT  a producer and a push consumer that stay, until COUNT messages in all have been consumed and their
 *                            offsets are with the broker
 *   !release                 ends them
 *
 * {name} stands for the value of the argument of that name; `namesrv` must be one. Standard output has the lines of each step
 * after a line `STEP words` (as in the file) and before a line `EXIT code`.
 */
public class Operator {
    static final PrintStream OUT = System.out;
    static final Map<String, String> VALUES = new HashMap<>();
    static DefaultMQProducer producer;
    static DefaultMQPushConsumer consumer;
    static final AtomicInteger CONSUMED = new AtomicInteger();

    /** What System.exit does while a step runs. An Error, for the commands catch exceptions. */
    static final class Exit extends Error {
        final int code;

        Exit(int code) {
            super("exit " + code, null, false, false);
            this.code = code;
        }
    }

    @SuppressWarnings("removal")
    static void interceptExit(boolean on) {
        System.setSecurityManager(!on ? null : new SecurityManager() {
            @Override
            public void checkExit(int status) {
                throw new Exit(status);
            }

            @Override
            public void checkPermission(Permission permission) { }
        });
    }

    public static void main(String[] args) throws Exception {
        System.setErr(OUT);
        for (String arg : Arrays.asList(args).subList(1, args.length)) {
            VALUES.put(arg.substring(0, arg.indexOf('=')), arg.substring(arg.indexOf('=') + 1));
        }
        Common.hurry(Thread.currentThread());
        for (String line : Files.readAllLines(Paths.get(args[0]))) {
            line = line.trim();
            if (line.isEmpty() || line.startsWith("#")) {
                continue;
            }
            OUT.println("STEP " + line);
            int code = 0;
            try {
                step(line);
            } catch (Exit e) {
                code = e.code;
            } catch (Exception e) {
                e.printStackTrace();
                code = -1;
            }
            OUT.println(); // some commands leave their last line open
            OUT.println("EXIT " + code);
        }
        OUT.flush();
        Runtime.getRuntime().halt(0);
    }

    static void step(String line) throws Exception {
        for (Map.Entry<String, String> value : VALUES.entrySet()) {
            line = line.replace("{" + value.getKey() + "}", value.getValue());
        }
        List<String> words = new ArrayList<>(Arrays.asList(line.split(" +")));
        switch (words.get(0)) {
            case "!produce":
                produce(words.get(1), Integer.parseInt(words.get(2)));
                break;
            case "!hold":
                hold(words.get(1), words.get(2), Integer.parseInt(words.get(3)));
                break;
            case "!release":
                consumer.shutdown();
                producer.shutdown();
                break;
            default:
                if (!words.get(0).equals("help")) {
                    words.add("-n");
                    words.add(VALUES.get("namesrv"));
                }
                words.replaceAll(word -> word.replace('~', ' '));
                interceptExit(true);
                try {
                    MQAdminStartup.main0(words.toArray(new String[0]), null);
                } finally {
                    interceptExit(false);
                }
        }
    }

    static DefaultMQProducer startProducer(String group) throws Exception {
        DefaultMQProducer made = new DefaultMQProducer(group);
        made.setInstanceName(group);
        Common.connect(made, VALUES.get("namesrv"));
        made.setSendMsgTimeout(10000);
        made.start();
        return made;
    }

    static void produce(String topic, int count) throws Exception {
        DefaultMQProducer p = startProducer("PG_operator");
        for (int n = 0; n < count; n++) {
            byte[] body = ("body " + n).getBytes(StandardCharsets.UTF_8);
            Message m = new Message(topic, n % 2 == 0 ? "TagA" : "TagB", "key-" + n, body);
            m.putUserProperty("n", String.valueOf(n));
            SendResult r = p.send(m, new SelectMessageQueueByHash(), n);
            VALUES.put("unique", r.getMsgId());
            VALUES.put("offset", r.getOffsetMsgId());
        }
        p.shutdown();
    }

    static void hold(String topic, String group, int count) throws Exception {
        producer = startProducer("PG_held");
        // A producer is known to a broker from its first heartbeat on, which a first send to a topic brings about.
        producer.send(new Message(topic, "TagA", "held", "held".getBytes(StandardCharsets.UTF_8)),
            new SelectMessageQueueByHash(), 0);
        producer.getDefaultMQProducerImpl().getmQClientFactory().sendHeartbeatToAllBrokerWithLock();
        consumer = new DefaultMQPushConsumer(group);
        consumer.setInstanceName("held");
        Common.connect(consumer, VALUES.get("namesrv"));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setPollNameServerInterval(1000);
        consumer.subscribe(topic, "TagA || TagB");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            CONSUMED.addAndGet(messages.size());
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        long deadline = System.nanoTime() + 60_000_000_000L;
        while (CONSUMED.get() < count && System.nanoTime() < deadline) {
            Thread.sleep(20);
        }
        if (CONSUMED.get() < count) {
            throw new IllegalStateException("consumed " + CONSUMED + " of " + count);
        }
        Thread.sleep(200); // what was consumed is taken off the queues a moment after the listener returned
        consumer.getDefaultMQPushConsumerImpl().persistConsumerOffset();
        // The tools ask for the route of the retry topic, which the broker makes with the first heartbeat and registers when it likes.
        while (!isRouted("%RETRY%" + group) && System.nanoTime() < deadline) {
            Thread.sleep(20);
        }
        VALUES.put("client", consumer.getDefaultMQPushConsumerImpl().getmQClientFactory().getClientId());
    }

    static boolean isRouted(String topic) {
        try {
            consumer.getDefaultMQPushConsumerImpl().getmQClientFactory().getMQClientAPIImpl()
                .getTopicRouteInfoFromNameServer(topic, 3000);
            return true;
        } catch (Exception e) {
            return false;
        }
    }
}
