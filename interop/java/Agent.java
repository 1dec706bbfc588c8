import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Official clients that are told what to do, line by line on standard input, while the test does things to their servers. Uses
 * only what every release since 4.3.2 has.
 *
 *   producer NAME GROUP [trace=1]
 *   send NAME TOPIC MODE COUNT [from=N] [pad=BYTES] [delay=LEVEL] [retry=1]      MODE: sync async oneway ordered batch
 *   push NAME GROUP TOPIC [orderly=1] [broadcast=1] [fail=N] [max=N] [trace=1]   fails N times per message; max: attempts
 *   pull NAME GROUP TOPIC COUNT                                                  the classic pull consumer
 *   seek NAME MILLISECONDS                                                       a push consumer goes to that time
 *   admin NAME COMMAND [WORD ...]                                                mqadmin, without its name servers
 *   stop NAME
 *
 * What is told to one NAME happens one after the other, beside what is told to others. Lines begin with the name: NAME SENT key
 * queue offset broker; NAME GOT (or FAILED) key queue offset tag reconsumed broker milliseconds; NAME SAYS text of mqadmin; NAME
 * DONE at the end of every line told. Whatever fails ends the process with code 1, the end of standard input with 0.
 */
public class Agent {
    static final Map<String, ExecutorService> LINES = new ConcurrentHashMap<>();
    static final Map<String, ClientConfig> CLIENTS = new ConcurrentHashMap<>();
    static String namesrv;

    public static void main(String[] args) throws Exception {
        namesrv = args[0];
        System.setErr(Common.OUT);
        BufferedReader told = new BufferedReader(new InputStreamReader(System.in));
        for (String line = told.readLine(); line != null; line = told.readLine()) {
            String[] words = line.split(" +");
            ExecutorService own = LINES.computeIfAbsent(words[1], name -> Executors.newSingleThreadExecutor(task -> {
                Thread thread = new Thread(task, name);
                Common.hurry(thread);
                return thread;
            }));
            own.execute(() -> carryOut(words));
        }
        Runtime.getRuntime().halt(0);
    }

    static void carryOut(String[] words) {
        try {
            run(words);
            Common.say(words[1] + " DONE");
        } catch (Throwable e) {
            Common.say("BAD " + String.join(" ", words));
            e.printStackTrace(Common.OUT);
            Runtime.getRuntime().halt(1);
        }
    }

    static void run(String[] a) throws Exception {
        String name = a[1];
        ClientConfig client = CLIENTS.get(name);
        switch (a[0]) {
            case "producer":
                producer(name, a[2], Common.option(a, "trace", "0").equals("1"));
                break;
            case "send":
                Common.produce((DefaultMQProducer) client, name + " ", a[2], a[3], Integer.parseInt(a[4]), a);
                break;
            case "push":
                push(name, a[2], a[3], a);
                break;
            case "pull":
                pull(name, a[2], a[3], Integer.parseInt(a[4]));
                break;
            case "seek":
                ((DefaultMQPushConsumer) client).getDefaultMQPushConsumerImpl().resetOffsetByTimeStamp(Long.parseLong(a[2]));
                break;
            case "admin":
                admin(name, Arrays.asList(a).subList(2, a.length));
                break;
            case "stop":
                if (client instanceof DefaultMQProducer) {
                    ((DefaultMQProducer) client).shutdown();
                } else {
                    ((DefaultMQPushConsumer) client).shutdown();
                }
                break;
            default:
                throw new IllegalArgumentException(a[0]);
        }
    }

    /** With a trace of what it does, which 4.3.2 has not. */
    static <T> T create(Class<T> kind, String group, boolean trace) throws Exception {
        return trace
            ? kind.getConstructor(String.class, boolean.class, String.class).newInstance(group, true, null)
            : kind.getConstructor(String.class).newInstance(group);
    }

    static void configure(String name, ClientConfig client) throws Exception {
        Common.connect(client, namesrv);
        client.setInstanceName(name);
        client.setPollNameServerInterval(1000);
        client.setHeartbeatBrokerInterval(1000);
        CLIENTS.put(name, client);
    }

    static void producer(String name, String group, boolean trace) throws Exception {
        DefaultMQProducer producer = create(DefaultMQProducer.class, group, trace);
        configure(name, producer);
        producer.setSendMsgTimeout(10000);
        producer.start();
    }

    static void push(String name, String group, String topic, String[] options) throws Exception {
        int failing = Common.number(options, "fail", 0);
        Map<String, Integer> seen = new ConcurrentHashMap<>();
        DefaultMQPushConsumer consumer =
            create(DefaultMQPushConsumer.class, group, Common.option(options, "trace", "0").equals("1"));
        configure(name, consumer);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setMaxReconsumeTimes(Common.number(options, "max", -1));
        consumer.subscribe(topic, "*");
        if (Common.option(options, "broadcast", "0").equals("1")) {
            Common.broadcasting(consumer);
        }
        if (Common.option(options, "orderly", "0").equals("1")) {
            consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
                context.setSuspendCurrentQueueTimeMillis(20);
                return takes(name, messages, context.getMessageQueue(), seen, failing)
                    ? ConsumeOrderlyStatus.SUCCESS : ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
            });
        } else {
            consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
                context.setDelayLevelWhenNextConsume(1);
                return takes(name, messages, context.getMessageQueue(), seen, failing)
                    ? ConsumeConcurrentlyStatus.CONSUME_SUCCESS : ConsumeConcurrentlyStatus.RECONSUME_LATER;
            });
        }
        consumer.start();
    }

    /** Messages come one by one unless the consumer is told otherwise. */
    static boolean takes(String name, List<MessageExt> messages, MessageQueue queue, Map<String, Integer> seen, int failing) {
        MessageExt m = messages.get(0);
        boolean fine = seen.merge(m.getKeys(), 1, Integer::sum) > failing;
        Common.got(name + " ", fine ? "GOT" : "FAILED", m, queue.getBrokerName());
        return fine;
    }

    /** Pulls all queues in turn and commits; a lone queue's pull waits at the broker for what is to come. */
    static void pull(String name, String group, String topic, int count) throws Exception {
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(group);
        configure(name, consumer);
        consumer.start();
        Collection<MessageQueue> queues = consumer.fetchSubscribeMessageQueues(topic);
        int left = count;
        while (left > 0) {
            for (MessageQueue queue : queues) {
                long next = Math.max(consumer.fetchConsumeOffset(queue, false), 0);
                PullResult found = queues.size() == 1
                    ? consumer.pullBlockIfNotFound(queue, "*", next, 32) : consumer.pull(queue, "*", next, 32);
                if (found.getPullStatus() == PullStatus.FOUND) {
                    found.getMsgFoundList().forEach(m -> Common.got(name + " ", "GOT", m, queue.getBrokerName()));
                    left -= found.getMsgFoundList().size();
                }
                consumer.updateConsumeOffset(queue, found.getNextBeginOffset());
            }
        }
        consumer.shutdown();
    }

    /** The tool is not there in every release, and prints to standard output. */
    static synchronized void admin(String name, List<String> words) throws Exception {
        List<String> line = new ArrayList<>(words);
        line.addAll(Arrays.asList("-n", namesrv));
        PrintStream before = System.out;
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        System.setOut(new PrintStream(said, true));
        System.setErr(System.out);
        try {
            Class.forName("org.apache.rocketmq.tools.command.MQAdminStartup").getMethod("main", String[].class)
                .invoke(null, (Object) line.toArray(new String[0]));
        } finally {
            System.setOut(before);
            System.setErr(Common.OUT);
        }
        for (String text : said.toString().split("\n")) {
            Common.say(name + " SAYS " + text);
        }
    }
}
