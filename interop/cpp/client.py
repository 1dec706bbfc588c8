"""The C++ client inside the package `rocketmq` 0.4.4, told what to do line by line on standard input, as Agent.java is.

    producer NAME GROUP
    send NAME TOPIC MODE COUNT                                 MODE: sync async oneway ordered batch
    push NAME GROUP TOPIC [orderly=1] [broadcast=1] [fail=N]
    pull NAME GROUP TOPIC COUNT
    stop NAME

What is told to one NAME happens one after the other, beside what is told to others. Lines and messages are those of Agent.java; what this client does not tell (the queue and broker of a sent message, the broker of
one that came) is -1 and `-`. Whatever fails ends the process with code 1, the end of standard input with 0.
"""

import collections
import concurrent.futures
import os
import sys
import threading
import time

from rocketmq import client, exceptions, ffi

LOCK = threading.Lock()
WAIT_SECONDS = 150


def say(line):
    with LOCK:
        os.write(1, (line + "\n").encode())


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def message(topic, mode, n):
    key = f"{mode}-{n}"
    made = client.Message(topic)
    made.set_keys(key)
    made.set_tags(["TagA", "TagB", "TagC"][n % 3])
    made.set_property("n", str(n))
    made.set_body(f"body of {key}")
    return made


def sent(name, key, result, place=0):
    if result.status != client.SendStatus.OK:
        raise RuntimeError(f"{key}: {result}")
    say(f"{name} SENT {key} -1 {result.offset + place} -")


def came(name, what, got):
    waited = got.store_timestamp - got.born_timestamp
    key, tag = text(got.keys), text(got.tags)
    say(f"{name} {what} {key} {got.queue_id} {got.queue_offset} {tag} {got.reconsume_times} - {waited}")
    if not text(got.body).startswith("body of " + key):
        say(f"BAD body of {key}: {text(got.body)}")


class Session:
    def __init__(self, namesrv):
        self.namesrv = namesrv
        self.clients = {}
        self.lines = {}

    def told(self, line):
        name = line.split()[1]
        own = self.lines.setdefault(name, concurrent.futures.ThreadPoolExecutor(1))
        own.submit(self.carry_out, line)

    def carry_out(self, line):
        try:
            verb, name, *words = line.split()
            options = dict(word.split("=") for word in words if "=" in word)
            getattr(self, verb)(name, *[word for word in words if "=" not in word], **options)
            say(f"{name} DONE")
        except BaseException as error:
            say(f"BAD {line.strip()}: {error!r}")
            os._exit(1)

    def started(self, name, made):
        made.set_namesrv_addr(self.namesrv)
        self.clients[name] = made
        return made

    def producer(self, name, group):
        self.started(name, client.Producer(group, timeout=10_000)).start()

    def send(self, name, topic, mode, count):
        producer, numbers = self.clients[name], range(int(count))
        messages = [message(topic, mode, n) for n in numbers]
        if mode == "batch":
            result = producer.send_batch(messages)
            for n in numbers:
                sent(name, f"{mode}-{n}", result, n)
        elif mode == "async":
            self.send_async(name, producer, messages)
        for n in numbers if mode in ("sync", "oneway", "ordered") else ():
            if mode == "sync":
                sent(name, f"{mode}-{n}", producer.send_sync(messages[n]))
            elif mode == "ordered":
                sent(name, f"{mode}-{n}", producer.send_orderly(messages[n], n % 7))
            else:
                producer.send_oneway(messages[n])

    def send_async(self, name, producer, messages):
        left = threading.Semaphore(0)
        failures = []

        def answered(n):
            def done(result):
                sent(name, f"async-{n}", result)
                left.release()

            return done

        def failed(error):
            failures.append(error)
            left.release()

        for n, each in enumerate(messages):
            producer.send_async(each, answered(n), failed)
        for _ in messages:
            if not left.acquire(timeout=WAIT_SECONDS) or failures:
                raise RuntimeError(f"async sends failed: {failures}")

    def push(self, name, group, topic, orderly="0", broadcast="0", fail="0"):
        model = ffi.MessageModel.BROADCASTING if broadcast == "1" else ffi.MessageModel.CLUSTERING
        seen = collections.Counter()

        def listener(_, handle):
            got = client.RecvMessage(handle)
            seen[got.keys] += 1
            fine = seen[got.keys] > int(fail)
            came(name, "GOT" if fine else "FAILED", got)
            status = ffi._CConsumeStatus
            return (status.CONSUME_SUCCESS if fine else status.RECONSUME_LATER).value

        consumer = self.started(name, client.PushConsumer(group, orderly=orderly == "1", message_model=model))
        consumer.set_instance_name(name)
        consumer.set_message_batch_max_size(1)
        # `subscribe` of the package prints a trace for every message that is to come again.
        exceptions.ffi_check(ffi.dll.Subscribe(consumer._handle, topic.encode(), b"*"))
        consumer._register_callback(listener)
        consumer.start()

    def pull(self, name, group, topic, count):
        consumer = self.started(name, client.PullConsumer(group))
        consumer.start()
        left = int(count)
        while left > 0:
            for got in consumer.pull(topic):
                came(name, "GOT", got)
                left -= 1
            time.sleep(0.1)  # its pulls do not wait at the broker
        consumer.shutdown()

    def stop(self, name):
        self.clients.pop(name).shutdown()


session = Session(sys.argv[1])
for told in sys.stdin:
    session.told(told)
os._exit(0)
