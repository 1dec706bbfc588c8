// Consumes a topic with a handler, then in a loop.
//
//   node push_consume.mjs [NAMESRV]
import { Producer, PushConsumer } from 'ferromq'

const namesrv = process.argv[2] ?? '127.0.0.1:9876'
const producer = new Producer({ namesrv, group: 'shop' })
await producer.sendMany(Array.from({ length: 20 }, (_, id) => ({ topic: 'payments', body: `${id}`, tag: 'paid' })))

const options = { namesrv, group: 'accounting', subscriptions: { payments: 'paid || refunded' } }
const consumer = new PushConsumer({ ...options, consumeFrom: 'first' })

// Ten handlers at a time. When one throws, its message comes again later.
const stop = new AbortController()
let handled = 0
await consumer.run({ concurrency: 10, signal: stop.signal }, async (message) => {
  await book(message)
  handled += 1
  if (handled === 20) stop.abort()
})
console.log(`handled ${handled}`)

// Or one after the other. Asking for the next message settles the one before.
await producer.send({ topic: 'payments', body: 'one more', tag: 'refunded' })
for await (const message of consumer) {
  console.log(`${message.tag}: ${message.body}`)
  break // this one comes again: it was not settled
}

async function book(message) {
  if (message.reconsumeTimes > 10) console.error(`giving up on ${message.messageId} soon`)
}

await consumer.close()
await producer.close()
