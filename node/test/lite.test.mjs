// Lite pulling: positions are the caller's, and nothing is lost or committed that nobody got.
import assert from 'node:assert/strict'
import test from 'node:test'
import { broker, lite, producer, queuesOf, unique } from './support.mjs'

const started = broker(test)

/** A topic of one queue's worth of messages, all of one sharding key. */
async function filled(t, count) {
  const { namesrv } = await started
  const topic = unique('lite')
  const sender = producer(t, namesrv)
  for (let index = 0; index < count; index += 1) await sender.send({ topic, body: `${index}`, shardingKey: 'k' })
  const { queue } = await sender.send({ topic, body: 'last', shardingKey: 'k' })
  return { namesrv, topic, queue, sender }
}

const bodies = (messages) => messages.map((message) => message.body.toString())

/** Polls until there are so many messages. */
async function poll(consumer, count) {
  const messages = []
  while (messages.length < count) messages.push(...(await consumer.poll({ timeout: 10_000 })))
  return messages
}

test('assign, poll, seek and offsets', async (t) => {
  const { namesrv, topic, queue } = await filled(t, 9)
  const consumer = lite(t, namesrv, { autoCommit: false })
  const queues = await queuesOf(consumer, topic)
  assert.ok(queues.some((one) => one.id === queue.id && one.broker === queue.broker && one.topic === topic))
  await consumer.assign([queue])
  assert.deepEqual(await consumer.assignment(), [queue])
  assert.deepEqual(bodies(await poll(consumer, 10)), [...'012345678', 'last'])
  assert.equal(await consumer.position(queue), 10)
  assert.deepEqual([await consumer.minOffset(queue), await consumer.maxOffset(queue)], [0, 10])
  await consumer.seek(queue, 7)
  const again = await poll(consumer, 3)
  assert.deepEqual(bodies(again), ['7', '8', 'last'])
  await consumer.seekToEnd(queue)
  assert.deepEqual(await consumer.poll({ timeout: 50 }), [])
  await consumer.seekToBegin(queue)
  assert.equal((await poll(consumer, 10)).length, 10)
  const { storeTimestamp } = again[0]
  assert.ok((await consumer.offsetForTime(queue, storeTimestamp)) <= 7)
  assert.ok((await consumer.offsetForTime(queue, new Date(storeTimestamp))) <= 7)
  await assert.rejects(consumer.seek(queue, 99), { code: 'FMQ_VALIDATION' })
  await assert.rejects(consumer.seek({ ...queue, id: 77 }, 0), { code: 'FMQ_VALIDATION' })
})

test('commits: all positions, or given offsets; a later consumer begins there', async (t) => {
  const { namesrv, queue } = await filled(t, 9)
  const group = unique('commits')
  const consumer = lite(t, namesrv, { group, autoCommit: false })
  await consumer.assign([queue])
  await poll(consumer, 10)
  await consumer.commit([{ queue, offset: 4 }])
  assert.equal(await consumer.committed(queue), 4)
  await consumer.close()
  const next = lite(t, namesrv, { group, autoCommit: false })
  await next.assign([queue])
  assert.equal((await poll(next, 6))[0].queueOffset, 4)
  await next.commit()
  assert.equal(await next.committed(queue), 10)
})

test('pause and resume', async (t) => {
  const { namesrv, queue, sender } = await filled(t, 0)
  const consumer = lite(t, namesrv)
  await consumer.assign([queue])
  await poll(consumer, 1)
  await consumer.pause([queue])
  // A pull that was held before the pause may still bring one.
  const send = () => sender.send({ topic: queue.topic, body: 'more', shardingKey: 'k' })
  await send()
  const [early] = await consumer.poll({ timeout: 300 })
  await send()
  assert.deepEqual(await consumer.poll({ timeout: 300 }), [])
  await consumer.resume([queue])
  assert.equal((await poll(consumer, early ? 1 : 2)).length, early ? 1 : 2)
})

test('a group shares a topic by subscription', async (t) => {
  const { namesrv, topic } = await filled(t, 3)
  const consumer = lite(t, namesrv)
  await consumer.subscribe(topic)
  assert.equal((await poll(consumer, 4)).length, 4)
  assert.equal(await consumer.unsubscribe(topic), true)
  assert.equal(await consumer.unsubscribe(topic), false)
})

test('an aborted poll loses nothing', async (t) => {
  const { namesrv, queue, sender } = await filled(t, 0)
  const consumer = lite(t, namesrv)
  await consumer.assign([queue])
  await poll(consumer, 1)
  const seen = new Set()
  for (let round = 0; round < 20; round += 1) {
    const controller = new AbortController()
    const polling = consumer.poll({ timeout: 30_000, signal: controller.signal })
    const sending = sender.send({ topic: queue.topic, body: `${round}`, shardingKey: 'k' }).then(() => controller.abort())
    await polling.then(
      (messages) => bodies(messages).forEach((body) => seen.add(body)),
      (error) => assert.equal(error.name, 'AbortError'),
    )
    await sending
  }
  while (seen.size < 20) bodies(await consumer.poll({ timeout: 10_000 })).forEach((body) => seen.add(body))
  await assert.rejects(consumer.poll({ signal: AbortSignal.abort() }), { name: 'AbortError' })
})

test('a loop that is left gives its message again: to the next poll, and after closing to others', async (t) => {
  const { namesrv, queue } = await filled(t, 9)
  const group = unique('left')
  const consumer = lite(t, namesrv, { group })
  await consumer.assign([queue])
  const seen = []
  for await (const message of consumer) {
    seen.push(message.body.toString())
    if (seen.length === 3) break
  }
  assert.deepEqual(seen, ['0', '1', '2'])
  assert.equal(await consumer.position(queue), 2)
  await consumer.commit()
  assert.equal(await consumer.committed(queue), 2)
  for await (const message of consumer) {
    seen.push(message.body.toString())
    if (seen.length === 5) break
  }
  assert.deepEqual(seen.slice(3), ['2', '3'])
  await consumer.close()
  const next = lite(t, namesrv, { group })
  await next.assign([queue])
  assert.equal((await poll(next, 7))[0].body.toString(), '3')
})

test('autoCommit: what was polled is committed by closing', async (t) => {
  const { namesrv, queue } = await filled(t, 9)
  const group = unique('auto')
  const consumer = lite(t, namesrv, { group })
  await consumer.assign([queue])
  await poll(consumer, 10)
  await consumer.close()
  assert.equal(await lite(t, namesrv, { group }).committed(queue), 10)
})

test('closing ends a loop and a poll that wait; later calls are refused', async (t) => {
  const { namesrv, queue } = await filled(t, 0)
  const [looped, polled] = [lite(t, namesrv), lite(t, namesrv)]
  await Promise.all([looped, polled].map((consumer) => consumer.assign([queue])))
  await poll(polled, 1)
  const loop = (async () => {
    let count = 0
    for await (const message of looped) {
      assert.equal(message.body.toString(), 'last')
      count += 1
      setTimeout(() => void looped.close(), 20)
    }
    return count
  })()
  const waiting = polled.poll({ timeout: 60_000 })
  setTimeout(() => void polled.close(), 20)
  assert.equal(await loop, 1)
  assert.deepEqual(await waiting, [])
  await assert.rejects(polled.poll(), { code: 'FMQ_CLOSED' })
  await assert.rejects(polled.assignment(), { code: 'FMQ_CLOSED' })
  assert.throws(() => polled.messages(), { code: 'FMQ_CLOSED' })
})

test('one reader at a time', async (t) => {
  const { namesrv, queue } = await filled(t, 0)
  const consumer = lite(t, namesrv)
  await consumer.assign([queue])
  await poll(consumer, 1)
  const controller = new AbortController()
  const waiting = consumer.poll({ timeout: 60_000, signal: controller.signal })
  await assert.rejects(consumer.poll(), { code: 'FMQ_VALIDATION' })
  controller.abort()
  await assert.rejects(waiting, { name: 'AbortError' })
  const iterator = consumer.messages()
  await assert.rejects(consumer.poll(), { code: 'FMQ_VALIDATION' })
  assert.throws(() => consumer.messages(), { code: 'FMQ_VALIDATION' })
  await iterator.return()
  assert.deepEqual(await consumer.poll({ timeout: 10 }), [])
})
