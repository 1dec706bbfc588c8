// Push consuming: with handlers and in loops, in order and not; what fails comes again.
import assert from 'node:assert/strict'
import test from 'node:test'
import { broker, gathering, lite, producer, push, unique, until } from './support.mjs'

const started = broker(test)

/** A topic with messages whose bodies are the numbers from 0. */
async function filled(t, count, options = {}) {
  const { namesrv } = await started
  const topic = unique('push')
  const messages = Array.from({ length: count }, (_, index) => ({ topic, body: `${index}`, ...options }))
  const sender = producer(t, namesrv)
  if (options.shardingKey === undefined) await sender.sendMany(messages)
  else for (const message of messages) await sender.send(message)
  return { namesrv, topic }
}

const number = (message) => Number(message.body.toString())

test('every message goes to the handler, as many at a time as wanted and no more', async (t) => {
  const { namesrv, topic } = await filled(t, 500)
  const consumer = push(t, namesrv, topic)
  const seen = new Set()
  let now = 0
  let most = 0
  await consumer.run({ concurrency: 4 }, async (message) => {
    now += 1
    most = Math.max(most, now)
    await new Promise(setImmediate)
    now -= 1
    seen.add(number(message))
    if (seen.size === 500) void consumer.close()
  })
  await consumer.close()
  assert.equal(seen.size, 500)
  assert.equal(most, 4)
})

test('handlers that throw at once, reject, or throw no error: logged, retried, and the others go on', async (t) => {
  const { namesrv, topic } = await filled(t, 30)
  const logger = gathering()
  const consumer = push(t, namesrv, topic, { logger })
  const done = new Map()
  let failures = 0
  await consumer.run({ concurrency: 3 }, (message) => {
    const which = number(message)
    if (which % 10 === 0 && message.reconsumeTimes === 0) {
      failures += 1
      if (which === 0) throw new Error('at once')
      if (which === 10) return Promise.reject(new Error('later'))
      throw undefined
    }
    done.set(which, message.reconsumeTimes)
    assert.equal(message.topic, topic)
    if (done.size === 30) void consumer.close()
    return undefined
  })
  assert.equal(failures, 3)
  assert.deepEqual([0, 10, 20, 1].map((which) => done.get(which)), [1, 1, 1, 0])
  const errors = logger.lines.filter((line) => line.level === 'error')
  assert.equal(errors.length, 3)
  assert.ok(errors.every((line) => line.message.includes(topic)))
  assert.deepEqual(errors.map(({ details }) => details[0]?.message).sort(), ['at once', 'later', undefined])
})

test('in order: one key is consumed in its order although a handler fails in between', async (t) => {
  const { namesrv, topic } = await filled(t, 40, { shardingKey: 'k' })
  const consumer = push(t, namesrv, topic, { logger: gathering(), suspend: 10 })
  const seen = []
  let failed = 0
  await consumer.run({ orderly: true, concurrency: 8 }, async (message) => {
    await new Promise(setImmediate)
    if (number(message) === 17 && failed++ < 2) throw new Error('not yet')
    seen.push(number(message))
    if (seen.length === 40) void consumer.close()
  })
  assert.deepEqual(seen, Array.from({ length: 40 }, (_, index) => index))
  assert.equal(failed, 3)
})

test('the signal ends a run when its handlers have ended; another run goes on', async (t) => {
  const { namesrv, topic } = await filled(t, 200)
  const consumer = push(t, namesrv, topic)
  const controller = new AbortController()
  const seen = new Set()
  let running = 0
  const handler = async (message) => {
    running += 1
    await new Promise(setImmediate)
    running -= 1
    seen.add(number(message))
    if (seen.size === 50) controller.abort()
    if (seen.size === 200) void consumer.close()
  }
  await consumer.run({ concurrency: 5, signal: controller.signal }, handler)
  assert.equal(running, 0)
  assert.ok(seen.size >= 50 && seen.size < 200, `${seen.size}`)
  await consumer.run({ concurrency: 5, signal: AbortSignal.abort() }, handler)
  await consumer.run({ concurrency: 5 }, handler)
  assert.equal(seen.size, 200)
})

test('a signal ends a run that waits for messages', async (t) => {
  const { namesrv } = await started
  const consumer = push(t, namesrv, unique('empty'))
  const controller = new AbortController()
  const run = consumer.run({ signal: controller.signal }, () => {})
  setImmediate(() => controller.abort())
  await run
})

test('closing lets the handlers that run end, and commits what they consumed', async (t) => {
  const { namesrv, topic } = await filled(t, 20, { shardingKey: 'k' })
  const group = unique('closing')
  const consumer = push(t, namesrv, topic, { group })
  const seen = []
  const run = consumer.run({ concurrency: 1 }, async (message) => {
    seen.push(number(message))
    if (seen.length === 5) {
      void consumer.close()
      await new Promise((resolve) => setTimeout(resolve, 50))
      seen.push('end')
    }
  })
  await run
  await consumer.close()
  assert.deepEqual(seen.slice(4), [4, 'end'])
  const rest = push(t, namesrv, topic, { group })
  const others = []
  for await (const message of rest) {
    others.push(number(message))
    if (others.length === 15) void rest.close()
  }
  assert.deepEqual(others, Array.from({ length: 15 }, (_, index) => index + 5))
})

test('a loop: asking for the next settles; break and a throw release; the message comes again uncounted', async (t) => {
  const { namesrv, topic } = await filled(t, 20, { shardingKey: 'k' })
  const group = unique('loop')
  const consumer = push(t, namesrv, topic, { group })
  const first = []
  for await (const message of consumer) {
    first.push(number(message))
    if (first.length === 5) break
  }
  const failing = async () => {
    for await (const message of consumer) {
      first.push([number(message), message.reconsumeTimes])
      throw new Error('in the body')
    }
  }
  await assert.rejects(failing(), /in the body/)
  assert.deepEqual(first, [0, 1, 2, 3, 4, [4, 0]])
  await consumer.close()
  const again = push(t, namesrv, topic, { group })
  const controller = new AbortController()
  const second = []
  for await (const message of again.messages({ signal: controller.signal })) {
    second.push(number(message))
    if (number(message) === 9) controller.abort()
  }
  await again.close()
  assert.deepEqual(second, [4, 5, 6, 7, 8, 9])
  // After an abort the last one is settled.
  const third = push(t, namesrv, topic, { group })
  for await (const message of third) {
    assert.equal(number(message), 10)
    break
  }
})

test('a loop in order gets the messages of a key in order', async (t) => {
  const { namesrv, topic } = await filled(t, 100, { shardingKey: 'k' })
  const consumer = push(t, namesrv, topic)
  const seen = []
  for await (const message of consumer.messages({ orderly: true })) {
    seen.push(number(message))
    if (seen.length === 100) void consumer.close()
  }
  assert.deepEqual(seen, Array.from({ length: 100 }, (_, index) => index))
})

test('a loop that waits ends when the consumer is closed or the signal says so', async (t) => {
  const { namesrv } = await started
  const consumer = push(t, namesrv, unique('empty'))
  const controller = new AbortController()
  const iterator = consumer.messages({ signal: controller.signal })
  const waiting = iterator.next()
  setImmediate(() => controller.abort())
  assert.deepEqual(await waiting, { done: true, value: undefined })
  assert.deepEqual(await iterator.next(), { done: true, value: undefined })
  const other = consumer[Symbol.asyncIterator]()
  const steps = [other.next(), other.next()]
  setImmediate(() => void consumer.close())
  assert.deepEqual((await Promise.all(steps)).map((step) => step.done), [true, true])
})

test('one consumer is run or looped over, not both, and stays with its order', async (t) => {
  const { namesrv, topic } = await filled(t, 1)
  const consumer = push(t, namesrv, topic)
  const iterator = consumer.messages()
  await assert.rejects(consumer.run({}, () => {}), { code: 'FMQ_VALIDATION' })
  assert.throws(() => consumer.messages(), { code: 'FMQ_VALIDATION' })
  await iterator.next()
  await iterator.return()
  await assert.rejects(consumer.run({ orderly: true }, () => {}), { code: 'FMQ_VALIDATION', message: /order/ })
  await consumer.close()
  await assert.rejects(consumer.run({}, () => {}), { code: 'FMQ_CLOSED' })
  assert.throws(() => consumer.messages(), { code: 'FMQ_CLOSED' })
})

test('timers live beside handlers that never wait', async (t) => {
  const { namesrv, topic } = await filled(t, 300)
  const consumer = push(t, namesrv, topic)
  let count = 0
  let ticks = 0
  const timer = setInterval(() => (ticks += 1), 1)
  await consumer.run({ concurrency: 1 }, () => {
    const end = performance.now() + 1
    while (performance.now() < end);
    count += 1
    if (count === 300) void consumer.close()
  })
  clearInterval(timer)
  assert.ok(ticks > 3, `${ticks} ticks`)
})

test('two members of a group share the messages; what one leaves the other takes over', async (t) => {
  const { namesrv, topic } = await filled(t, 0)
  const group = unique('shared')
  const seen = new Set()
  const take = (message) => void seen.add(number(message))
  const [a, b] = [push(t, namesrv, topic, { group }), push(t, namesrv, topic, { group })]
  const runs = [a.run({}, take), b.run({}, take)]
  const sender = producer(t, namesrv)
  for (let index = 0; index < 100; index += 1) sender.enqueue({ topic, body: `${index}` })
  await sender.flush()
  await until('the first hundred', () => seen.size === 100)
  await a.close()
  for (let index = 100; index < 200; index += 1) sender.enqueue({ topic, body: `${index}` })
  await sender.flush()
  await until('the second hundred', () => seen.size === 200)
  await b.close()
  await Promise.all(runs)
})

test('a message that fails for good becomes a dead letter', async (t) => {
  const { namesrv, topic } = await filled(t, 1)
  const group = unique('dead')
  const consumer = push(t, namesrv, topic, { group, maxReconsumeTimes: 1, logger: gathering() })
  let calls = 0
  const run = consumer.run({}, () => {
    calls += 1
    throw new Error('never')
  })
  const reader = lite(t, namesrv)
  const dead = await until('the dead letter', async () => {
    const queues = await reader.queues(`%DLQ%${group}`).catch(() => [])
    if (queues.length === 0) return undefined
    await reader.assign(queues)
    return (await reader.poll({ timeout: 1000 }))[0]
  })
  assert.equal(dead.body.toString(), '0')
  assert.equal(calls, 2)
  await consumer.close()
  await run
})
