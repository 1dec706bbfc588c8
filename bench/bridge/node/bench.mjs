// The npm package beside a bridge with one native future per message, both without a network: how many messages cross per
// second. Prints one JSON object per row; `wanted` is the least ratio, 0 if there is none. Alternating runs, the best of each counts.
//
//   node bench.mjs NAIVE.node [ROW]
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { Producer, PushConsumer } from 'ferromq'

const { NaiveConsumer, NaiveProducer } = createRequire(import.meta.url)(resolve(process.argv[2]))
const only = process.argv[3]
const ECHO = Symbol.for('ferromq.echo')
const ROUNDS = 5
const BODY = Buffer.alloc(100, 'x')
const message = { topic: 'echo', body: BODY }

const producer = new Producer({ group: 'bench', [ECHO]: true })
const naive = new NaiveProducer()

/** `loops` loops that await their sends. */
async function loops(count, total, send) {
  const each = total / count
  const loop = async () => {
    for (let index = 0; index < each; index += 1) await send()
  }
  await Promise.all(Array.from({ length: count }, loop))
}

async function batches(total, sendBatch) {
  const batch = Array.from({ length: 1000 }, () => message)
  for (let sent = 0; sent < total; sent += batch.length) await sendBatch(batch)
}

async function enqueued(total) {
  for (let sent = 0; sent < total; sent += 10_000) {
    for (let index = 0; index < 10_000; index += 1) producer.enqueue(message)
    await producer.flush()
  }
}

const made = (count) => new PushConsumer({ group: 'bench', subscriptions: { echo: '*' }, [ECHO]: [count, BODY.length] })

async function handled(total) {
  const consumer = made(total)
  let left = total
  await consumer.run({ concurrency: 20 }, async (received) => {
    if (received.body.length > 0) left -= 1
    if (left === 0) void consumer.close()
  })
}

async function looped(total) {
  const consumer = made(total)
  let left = total
  for await (const received of consumer) {
    if (received.body.length > 0) left -= 1
    if (left === 0) void consumer.close()
  }
}

async function naiveLoop(total) {
  const consumer = new NaiveConsumer(total, BODY.length)
  let left = total
  for (;;) {
    const received = await consumer.next()
    if (received === null) break
    if (received.body.length > 0) left -= 1
  }
}

const naiveSend = () => naive.send('echo', BODY)
const naiveBatch = (batch) => Promise.all(batch.map((one) => naive.send(one.topic, one.body)))

// Row, wanted ratio, messages and function of both sides.
const ROWS = [
  ['256 loops of send', 3, [256_000, (n) => loops(256, n, () => producer.send(message))], [51_200, (n) => loops(256, n, naiveSend)]],
  ['sendMany of 1,000', 6, [400_000, (n) => batches(n, (batch) => producer.sendMany(batch))], [50_000, (n) => batches(n, naiveBatch)]],
  ['enqueue and flush', 6, [300_000, enqueued], [50_000, (n) => batches(n, naiveBatch)]],
  ['one loop of send', 0, [10_000, (n) => loops(1, n, () => producer.send(message))], [10_000, (n) => loops(1, n, naiveSend)]],
  ['run with a handler', 3, [400_000, handled], [20_000, naiveLoop]],
  ['for await', 3, [400_000, looped], [20_000, naiveLoop]],
]

async function rate([count, run]) {
  const began = performance.now()
  await run(count)
  return (count / (performance.now() - began)) * 1000
}

for (const [row, wanted, ours, theirs] of ROWS.filter(([name]) => only === undefined || name === only)) {
  let [best, naiveBest] = [0, 0]
  for (let round = 0; round < ROUNDS; round += 1) {
    best = Math.max(best, await rate(ours))
    naiveBest = Math.max(naiveBest, await rate(theirs))
  }
  const ratio = Math.round((best / naiveBest) * 10) / 10
  const rates = { ours_per_s: Math.round(best), naive_per_s: Math.round(naiveBest) }
  if (ratio < wanted) process.exitCode = 1
  console.log(JSON.stringify({ lang: 'node', row, ...rates, ratio, wanted }))
}
await producer.close()
