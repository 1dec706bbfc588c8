// Sending: every way arrives as it was given, and every failure is told.
import assert from 'node:assert/strict'
import test from 'node:test'
import { FerroMQError, FlushError, Producer, SendManyError } from 'ferromq'
import { broker, lite, producer, queuesOf, unique } from './support.mjs'

const started = broker(test)
const ALL_BYTES = Uint8Array.from({ length: 256 }, (_, index) => index)
const TEXT = 'Grüße, 世界 🦀 \u0000 end'

/** All messages of a topic, in the order of queues and offsets. */
async function stored(t, namesrv, topic, count) {
  const consumer = lite(t, namesrv)
  await consumer.assign(await queuesOf(consumer, topic))
  const messages = []
  while (messages.length < count) messages.push(...(await consumer.poll({ timeout: 10_000 })))
  return messages
}

/** A producer that can reach nobody. */
function lonely(t, options) {
  return producer(t, '127.0.0.1:1', { sendTimeout: 300, logLevel: 'off', ...options })
}

test('a message arrives with everything it was given', async (t) => {
  const { namesrv } = await started
  const topic = unique('all')
  const outgoing = {
    topic,
    body: ALL_BYTES,
    tag: 'tag',
    key: ['k1', 'k2'],
    shardingKey: 'shard',
    properties: { text: 'Grüße, 世界 🦀', empty_is_not: 'x' },
    flag: -7,
  }
  const before = Date.now()
  const receipt = await producer(t, namesrv).send(outgoing)
  assert.equal(receipt.status, 'SEND_OK')
  assert.equal(receipt.queueOffset, 0)
  assert.deepEqual(Object.keys(receipt), ['messageId', 'queue', 'queueOffset', 'status'])
  const [message] = await stored(t, namesrv, topic, 1)
  assert.ok(Buffer.isBuffer(message.body) && message.body.equals(ALL_BYTES))
  assert.deepEqual(message.queue, receipt.queue)
  assert.equal(message.messageId, receipt.messageId)
  assert.equal(message.topic, topic)
  assert.equal(message.tag, 'tag')
  assert.deepEqual(message.keys, ['k1', 'k2'])
  assert.equal(message.shardingKey, 'shard')
  assert.equal(message.properties.text, 'Grüße, 世界 🦀')
  assert.equal(message.flag, -7)
  assert.equal(message.reconsumeTimes, 0)
  assert.ok(message.bornTimestamp >= before && message.storeTimestamp >= before)
  assert.equal(JSON.parse(JSON.stringify(message)).body, Buffer.from(ALL_BYTES).toString('base64'))
})

test('a message goes to the queue that it names, and a queue that does not exist is an error', async (t) => {
  const { namesrv } = await started
  const topic = unique('given')
  const sender = producer(t, namesrv)
  const { queue } = await sender.send({ topic, body: 'first', shardingKey: 'k' })
  const sends = Array.from({ length: 5 }, (_, index) => sender.send({ topic, body: `${index}`, queue }))
  for (const receipt of await Promise.all(sends)) assert.deepEqual(receipt.queue, queue)
  const [many] = await sender.sendMany([{ topic, body: 'many', queue }])
  assert.deepEqual(many.queue, queue)
  await assert.rejects(sender.send({ topic, body: 'x', queue: { ...queue, id: 99 } }), { code: /^FMQ_/ })
  await assert.rejects(sender.send({ topic, body: 'x', queue: { ...queue, broker: 'nobody' } }), { code: /^FMQ_/ })
})

test('bodies: text as UTF-8, views of larger buffers, large ones, and those that change after the call', async (t) => {
  const { namesrv } = await started
  const topic = unique('bodies')
  const large = Buffer.alloc(3_000_000, 'large ')
  const changing = Buffer.from('before')
  const bodies = [TEXT, ALL_BYTES.subarray(10, 20), large, changing, 'x'.repeat(100_000)]
  const sends = bodies.map((body) => ({ topic, body })).map((message, index) => ({ ...message, key: `${index}` }))
  const given = bodies.map((body) => Buffer.from(body))
  const sending = Promise.all(sends.map((message) => producer(t, namesrv).send(message)))
  changing.fill('!')
  await sending
  const messages = await stored(t, namesrv, topic, bodies.length)
  for (const message of messages) assert.ok(message.body.equals(given[Number(message.keys[0])]), message.keys[0])
})

test('thousands of sends at once, one call for many, enqueued and one-way messages all arrive', async (t) => {
  const { namesrv } = await started
  const topic = unique('ways')
  const sender = producer(t, namesrv)
  const message = (body) => ({ topic, body: `${body}` })
  const numbers = (from, to) => Array.from({ length: to - from }, (_, index) => from + index)
  const receipts = await Promise.all(numbers(0, 3000).map((number) => sender.send(message(number))))
  assert.equal(new Set(receipts.map((receipt) => receipt.messageId)).size, 3000)
  const many = await sender.sendMany(numbers(3000, 5000).map(message))
  assert.equal(many.length, 2000)
  numbers(5000, 7000).forEach((number) => sender.enqueue(message(number)))
  await sender.flush()
  assert.equal(await sender.sendOneway(message(7000)), undefined)
  assert.deepEqual(await sender.sendMany([]), [])
  const seen = new Set((await stored(t, namesrv, topic, 7001)).map((found) => found.body.toString()))
  assert.equal(seen.size, 7001)
})

test('messages of one sharding key, sent in one turn, lie in one queue in the order in which they were given', async (t) => {
  const { namesrv } = await started
  const topic = unique('sharded')
  const sender = producer(t, namesrv)
  await sender.send({ topic, body: 'first', shardingKey: 'k' })
  const sends = Array.from({ length: 50 }, (_, index) => sender.send({ topic, body: `${index}`, shardingKey: 'k' }))
  const receipts = await Promise.all(sends)
  assert.equal(new Set(receipts.map((receipt) => receipt.queue.id)).size, 1)
  assert.deepEqual(receipts.map((receipt) => receipt.queueOffset), receipts.map((_, index) => index + 1))
})

test('a delayed message comes after its delay', async (t) => {
  const { namesrv } = await started
  const topic = unique('delayed')
  await producer(t, namesrv).send({ topic, body: 'later', delayLevel: 1 })
  const [message] = await stored(t, namesrv, topic, 1)
  assert.ok(message.storeTimestamp - message.bornTimestamp >= 900, `${message.storeTimestamp - message.bornTimestamp}`)
})

test('a send that fails tells what, whether a repetition helps, and whether it can make a duplicate', async (t) => {
  await assert.rejects(lonely(t).send({ topic: 'T', body: 'x' }), (error) => {
    assert.ok(error instanceof FerroMQError && error instanceof Error)
    const { name, code, brokerCode, retriable, notSent } = error
    assert.deepEqual(
      { name, code, brokerCode, retriable, notSent },
      { name: 'FerroMQError', code: 'FMQ_NO_NAME_SERVER', brokerCode: 10004, retriable: true, notSent: true },
    )
    return error.message.includes('127.0.0.1:1')
  })
})

test('sendMany tells what became of each message, in order', async (t) => {
  const { namesrv } = await started
  const topic = unique('many')
  const messages = ['a', '', 'c'].map((body) => ({ topic, body }))
  await assert.rejects(producer(t, namesrv).sendMany(messages), (error) => {
    assert.ok(error instanceof SendManyError && error instanceof FerroMQError)
    assert.deepEqual(error.results.map((result) => result instanceof FerroMQError), [false, true, false])
    assert.equal(error.results[0].status, 'SEND_OK')
    assert.equal(error.code, 'FMQ_VALIDATION')
    assert.equal(error.cause, error.results[1])
    return /^1 of 3 messages were not sent/.test(error.message)
  })
})

test('a property that cannot be sent refuses its message, and all of a sendMany', async (t) => {
  const { namesrv } = await started
  const topic = unique('refused')
  const sender = producer(t, namesrv)
  const wrong = { topic, body: 'x', properties: { TAGS: 'reserved' } }
  const [bad, good] = await Promise.allSettled([sender.send(wrong), sender.send({ topic, body: 'x' })])
  assert.equal(bad.reason.code, 'FMQ_VALIDATION')
  assert.equal(good.value.status, 'SEND_OK')
  const refused = { code: 'FMQ_VALIDATION', message: /message 1: .*TAGS.*none was sent/ }
  await assert.rejects(sender.sendMany([{ topic, body: 'x' }, wrong]), refused)
  assert.throws(() => sender.enqueue(wrong), { code: 'FMQ_VALIDATION' })
})

test('messages in line around one that is refused are sent', async (t) => {
  const { namesrv } = await started
  const topic = unique('around')
  const sender = producer(t, namesrv, { queueCountMax: 1000 })
  for (let count = 0; count < 100; count += 1) sender.enqueue({ topic, body: `${count}` })
  assert.throws(() => sender.enqueue({ topic, body: 'bad', properties: { TAGS: 'reserved' } }), { code: 'FMQ_VALIDATION' })
  assert.throws(() => sender.enqueue({ topic }), TypeError)
  sender.enqueue({ topic, body: 'good', properties: { a: 'b' } })
  sender.enqueue({ topic, body: 'last' })
  await sender.flush()
  const seen = new Set((await stored(t, namesrv, topic, 102)).map((message) => message.body.toString()))
  assert.ok(seen.size === 102 && seen.has('0') && seen.has('99') && seen.has('good') && seen.has('last'))
})

test('flush tells once what was not sent; an idle one has nothing to tell', async (t) => {
  const sender = lonely(t)
  sender.enqueue({ topic: 'T', body: 'x' })
  sender.enqueue({ topic: 'T', body: 'y' })
  await assert.rejects(sender.flush(), (error) => {
    assert.ok(error instanceof FlushError)
    assert.equal(error.failed, 2)
    return error.code === 'FMQ_NO_NAME_SERVER' && error.cause instanceof FerroMQError
  })
  await sender.flush()
})

test('enqueue refuses when the line is full, at once', async (t) => {
  const sender = lonely(t, { queueCountMax: 10, inFlightMax: 1 })
  const fill = () => {
    for (let count = 0; count < 1000; count += 1) sender.enqueue({ topic: 'T', body: 'x' })
  }
  assert.throws(fill, { code: 'FMQ_QUEUE_FULL', retriable: true, notSent: true })
})

test('an aborted send rejects with the reason at once, before and during; the producer works on', async (t) => {
  const { namesrv } = await started
  const sender = lonely(t, { sendTimeout: 20_000, retries: 100 })
  const reason = new Error('enough')
  await assert.rejects(sender.send({ topic: 'T', body: 'x' }, { signal: AbortSignal.abort(reason) }), reason)
  const controller = new AbortController()
  const during = sender.send({ topic: 'T', body: 'x' }, { signal: controller.signal })
  const many = sender.sendMany([{ topic: 'T', body: 'x' }], { signal: controller.signal })
  controller.abort(reason)
  await assert.rejects(during, reason)
  await assert.rejects(many, reason)
  await sender.close({ timeout: 0 })
  const other = producer(t, namesrv)
  const { signal } = new AbortController()
  assert.equal((await other.send({ topic: unique('aborted'), body: 'x' }, { signal })).status, 'SEND_OK')
})

test('closing waits for what was given; later calls are refused, a second close waits for the first', async (t) => {
  const { namesrv } = await started
  const sender = producer(t, namesrv)
  const sends = [1, 2, 3].map(() => sender.send({ topic: unique('closing'), body: 'x' }))
  const closing = sender.close()
  assert.equal(sender.close(), closing)
  await closing
  assert.ok((await Promise.all(sends)).every((receipt) => receipt.status === 'SEND_OK'))
  const message = { topic: 'T', body: 'x' }
  await assert.rejects(sender.send(message), { code: 'FMQ_CLOSED', notSent: true })
  await assert.rejects(sender.sendMany([message]), { code: 'FMQ_CLOSED' })
  await assert.rejects(sender.flush(), { code: 'FMQ_CLOSED' })
  assert.throws(() => sender.enqueue(message), { code: 'FMQ_CLOSED' })
})

test('await using closes', async () => {
  const { namesrv } = await started
  const sender = new Producer({ namesrv, group: 'using' })
  await sender[Symbol.asyncDispose]()
  await assert.rejects(sender.start(), { code: 'FMQ_CLOSED' })
})
