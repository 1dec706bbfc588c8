import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.RequestCallback;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.tools.command.MQAdminStartup;

/**
 * The official Java client as the other side of the interop tests. One process runs steps one after the other, separated
 * by an argument "+":
 *
 *   produce NAMESRV TOPIC MODE COUNT [pad=BYTES]                MODE: sync async oneway ordered batch
 *   consume NAMESRV TOPIC GROUP MODE EXPRESSION COUNT [fail=1]  MODE: concurrent orderly broadcast litepull assign;
 *                                                               COUNT 0: until standard input closes;
 *                                                               EXPRESSION: tags, or sql:CONDITION
 *   transact NAMESRV TOPIC GROUP COUNT LOCAL CHECK [checks=N]   LOCAL, CHECK: letters C R U (commit, rollback, unknown), used
 *                                                               in turn by the message's number: what the producer
 *                                                               decides, what it answers to a check; ends after checks of
 *                                                               N messages
 *   request NAMESRV TOPIC COUNT [pad=BYTES]                     asks, every second time without waiting for the reply
 *   reply NAMESRV TOPIC GROUP [pad=BYTES]                       replies, until standard input closes
 *   admin COMMAND [ARGUMENT ...]                                mqadmin, as its script calls it
 *
 * One line per event on standard output: REPLIED key; SENT key queue offset broker (of a transaction: in the half topic); CHECK
 * key; GOT key queue offset tag reconsumed broker milliseconds; READY; DONE n at the end of every step. fail=1 lets the listener
 * fail every message once. For the messages see Common.
 */
public class Peer {
    public static void main(String[] args) throws Exception {
        System.setErr(Common.OUT); // in one stream, traces stay with the step that they belong to
        try {
            List<String> step = new ArrayList<>();
            for (String arg : args) {
                if (arg.equals("+")) {
                    run(step);
                    step.clear();
                } else {
                    step.add(arg);
                }
            }
            run(step);
            System.exit(0);
        } catch (Throwable e) {
            e.printStackTrace();
            System.exit(1);
        }
    }

    static void run(List<String> step) throws Exception {
        String[] a = step.toArray(new String[0]);
        switch (a[0]) {
            case "produce":
                produce(a[1], a[2], a[3], Integer.parseInt(a[4]), a);
                break;
            case "consume":
                consume(a[1], a[2], a[3], a[4], a[5], Integer.parseInt(a[6]), Common.number(a, "fail", 0) == 1);
                break;
            case "transact":
                transact(a[1], a[2], a[3], Integer.parseInt(a[4]), a[5], a[6],
                    Common.number(a, "checks", 0));
                break;
            case "request":
                request(a[1], a[2], Integer.parseInt(a[3]), Common.number(a, "pad", 0));
                break;
            case "reply":
                reply(a[1], a[2], a[3], Common.number(a, "pad", 0));
                break;
            case "admin":
                MQAdminStartup.main0(step.subList(1, a.length).toArray(new String[0]), null);
                Common.say(""); // some commands leave their last line open
                Common.say("DONE 0");
                break;
            default:
                throw new IllegalArgumentException(a[0]);
        }
    }

    static void produce(String namesrv, String topic, String mode, int count, String[] options) throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer("PG_interop_" + mode);
        Common.connect(producer, namesrv);
        producer.setSendMsgTimeout(10000);
        producer.start();
        Common.produce(producer, "", topic, mode, count, options);
        Common.say("DONE " + count);
        producer.shutdown();
    }

    /** The letter of a message: by its number, so that another producer of the group knows it too. */
    static LocalTransactionState state(String letters, Message m) {
        switch (letters.charAt(Integer.parseInt(m.getUserProperty("n")) % letters.length())) {
            case 'C':
                return LocalTransactionState.COMMIT_MESSAGE;
            case 'R':
                return LocalTransactionState.ROLLBACK_MESSAGE;
            default:
                return LocalTransactionState.UNKNOW;
        }
    }

    static void transact(String namesrv, String topic, String group, int count, String local, String check, int checks)
        throws Exception {
        Map<String, Boolean> checked = new ConcurrentHashMap<>();
        ExecutorService answers = Executors.newSingleThreadExecutor();
        CountDownLatch left = new CountDownLatch(checks);
        TransactionMQProducer producer = new TransactionMQProducer(group);
        Common.connect(producer, namesrv);
        producer.setSendMsgTimeout(10000);
        producer.setHeartbeatBrokerInterval(500);
        producer.setExecutorService(answers);
        producer.setTransactionListener(new TransactionListener() {
            @Override
            public LocalTransactionState executeLocalTransaction(Message m, Object arg) {
                return state(local, m);
            }

            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt m) {
                if (!new String(m.getBody(), StandardCharsets.UTF_8).startsWith("body of " + m.getKeys())
                    || !m.getTopic().equals(topic)) {
                    Common.say("BAD check of " + m);
                }
                Common.say("CHECK " + m.getKeys());
                if (checked.put(m.getKeys(), true) == null) {
                    left.countDown();
                }
                return state(check, m);
            }
        });
        producer.start();
        // Who has talked to a broker sends it heartbeats, and can be asked by it.
        List<MessageQueue> queues = producer.fetchPublishMessageQueues(topic);
        for (MessageQueue q : queues) {
            producer.maxOffset(q);
        }
        Common.say("READY");
        for (int n = 0; n < count; n++) {
            Common.sent("", "tx-" + n, producer.sendMessageInTransaction(Common.message(topic, "tx", n, n % 2 * 6000), null));
        }
        if (!left.await(Common.WAIT_SECONDS, TimeUnit.SECONDS)) {
            throw new IllegalStateException("still waiting for checks of " + left.getCount() + " messages");
        }
        answers.submit(() -> { }).get(); // behind the answer to the last check
        // The frames of what was decided are in the socket when a later request on the same connection has been answered.
        for (MessageQueue q : queues) {
            producer.maxOffset(q);
        }
        Common.say("DONE " + count);
        producer.shutdown();
        answers.shutdown();
    }

    static MessageSelector selector(String expr) {
        return expr.startsWith("sql:") ? MessageSelector.bySql(expr.substring(4)) : MessageSelector.byTag(expr);
    }

    /** A reply in answer to the request of this key. */
    static void replied(String key, Message reply) {
        String body = reply == null ? "null" : new String(reply.getBody(), StandardCharsets.UTF_8);
        Common.say((body.startsWith("reply to " + key + " ") ? "REPLIED " : "BAD reply to ") + key);
    }

    static void request(String namesrv, String topic, int count, int pad) throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer("PG_interop_request");
        Common.connect(producer, namesrv);
        producer.start();
        CountDownLatch left = new CountDownLatch(count / 2);
        for (int i = 0; i < count; i++) {
            int n = i;
            Message m = Common.message(topic, "request", n, pad);
            if (n % 2 == 0) {
                replied(m.getKeys(), producer.request(m, 60_000));
            } else {
                producer.request(m, new RequestCallback() {
                    @Override
                    public void onSuccess(Message reply) {
                        if (reply == null) {
                            return; // these clients also call back when the request has been sent
                        }
                        replied("request-" + n, reply);
                        left.countDown();
                    }

                    @Override
                    public void onException(Throwable e) {
                        e.printStackTrace();
                    }
                }, 60_000);
            }
        }
        if (!left.await(Common.WAIT_SECONDS, TimeUnit.SECONDS)) {
            throw new IllegalStateException("replies missing: " + left.getCount());
        }
        Common.say("DONE " + count);
        producer.shutdown();
    }

    static void reply(String namesrv, String topic, String group, int pad) throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer("PG_interop_reply");
        Common.connect(producer, namesrv);
        producer.start();
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
        Common.connect(consumer, namesrv);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (MessageExt m : messages) {
                StringBuilder body = new StringBuilder("reply to " + m.getKeys() + " ");
                while (body.length() < pad) {
                    body.append(" .");
                }
                try {
                    Message reply = MessageUtil.createReplyMessage(m, body.toString().getBytes(StandardCharsets.UTF_8));
                    Common.sent("", m.getKeys() + "-0", producer.send(reply, 10_000));
                } catch (Exception e) {
                    e.printStackTrace();
                }
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        Common.say("READY");
        while (System.in.read() >= 0) { }
        consumer.shutdown();
        producer.shutdown();
        Common.say("DONE 0");
    }

    /** Counts down per distinct key, and tells which ones have to fail this time. */
    static final class Ledger {
        final Map<String, Integer> seen = new ConcurrentHashMap<>();
        final boolean failFirst;
        final CountDownLatch left;

        Ledger(int count, boolean failFirst) {
            this.failFirst = failFirst;
            left = new CountDownLatch(count == 0 ? Integer.MAX_VALUE : count);
        }

        boolean fails(MessageExt m) {
            int times = seen.merge(m.getKeys(), 1, Integer::sum);
            if (failFirst && times == 1) {
                return true;
            }
            Common.got("", "GOT", m, m.getBrokerName());
            if (times == (failFirst ? 2 : 1)) {
                left.countDown();
            }
            return false;
        }

        void await(int count) throws Exception {
            if (count == 0) {
                while (System.in.read() >= 0) { }
            } else if (!left.await(Common.WAIT_SECONDS, TimeUnit.SECONDS)) {
                throw new IllegalStateException("still waiting for " + left.getCount() + " messages");
            }
        }
    }

    static void consume(String ns, String topic, String group, String mode, String expr, int count, boolean failFirst)
        throws Exception {
        if (mode.equals("litepull") || mode.equals("assign")) {
            litePull(ns, topic, group, mode, expr, count);
            return;
        }
        Ledger ledger = new Ledger(count, failFirst);
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
        Common.connect(consumer, ns);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        // The retry topic of a new group exists from its first heartbeat on: its route is found by polling.
        consumer.setPollNameServerInterval(1000);
        // Its last listeners end, and count, before it stores its offsets.
        consumer.setAwaitTerminationMillisWhenShutdown(10_000);
        consumer.subscribe(topic, selector(expr));
        if (mode.equals("broadcast")) {
            Common.broadcasting(consumer);
        }
        if (mode.equals("orderly")) {
            consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
                context.setSuspendCurrentQueueTimeMillis(20);
                for (MessageExt m : messages) {
                    if (ledger.fails(m)) {
                        return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
                    }
                }
                return ConsumeOrderlyStatus.SUCCESS;
            });
        } else {
            consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
                context.setDelayLevelWhenNextConsume(1);
                for (MessageExt m : messages) {
                    if (ledger.fails(m)) {
                        return ConsumeConcurrentlyStatus.RECONSUME_LATER;
                    }
                }
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            });
        }
        consumer.start();
        Common.say("READY");
        ledger.await(count);
        consumer.shutdown();
        Common.say("DONE " + ledger.seen.size());
    }

    static void toBegin(DefaultLitePullConsumer consumer, Collection<MessageQueue> queues) throws Exception {
        for (MessageQueue q : queues) {
            consumer.seekToBegin(q);
        }
    }

    static void litePull(String ns, String topic, String group, String mode, String expr, int count) throws Exception {
        Ledger ledger = new Ledger(count, false);
        DefaultLitePullConsumer consumer = new DefaultLitePullConsumer(group);
        Common.connect(consumer, ns);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setAutoCommit(false);
        Collection<MessageQueue> queues = Collections.emptyList();
        if (mode.equals("litepull")) {
            consumer.subscribe(topic, selector(expr));
            consumer.start();
        } else {
            consumer.start();
            queues = consumer.fetchMessageQueues(topic);
            consumer.assign(queues);
            toBegin(consumer, queues);
        }
        Common.say("READY");
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(Common.WAIT_SECONDS);
        while (ledger.seen.size() < count && System.nanoTime() < deadline) {
            List<MessageExt> came = consumer.poll(1000);
            came.forEach(ledger::fails);
            consumer.commitSync();
            if (came.isEmpty()) {
                // A pull that was under way when this client was told to seek may have taken messages along.
                toBegin(consumer, queues);
            }
        }
        if (ledger.seen.size() < count) {
            throw new IllegalStateException("got " + ledger.seen.size() + " of " + count);
        }
        consumer.shutdown();
        Common.say("DONE " + ledger.seen.size());
    }
}
