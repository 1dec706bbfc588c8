// Sends messages in every way there is.
//
//   node produce.mjs [NAMESRV]
import { Producer, SendManyError } from 'ferromq'

const namesrv = process.argv[2] ?? '127.0.0.1:9876'
const producer = new Producer({ namesrv, group: 'shop' })

// One, awaited: the receipt says where it is stored.
const receipt = await producer.send({ topic: 'orders', body: JSON.stringify({ id: 17 }), tag: 'paid', key: '17' })
console.log(`stored in queue ${receipt.queue.id} at ${receipt.queueOffset} as ${receipt.messageId}`)

// Many, with one promise.
try {
  const receipts = await producer.sendMany(['18', '19', '20'].map((key) => ({ topic: 'orders', body: '{}', key })))
  console.log(`stored ${receipts.length} more`)
} catch (error) {
  if (!(error instanceof SendManyError)) throw error
  console.error(error.message, error.results)
}

// As fast as it goes: in line now, and sent in the background. The flush tells when all are there.
for (let count = 0; count < 1000; count += 1) producer.enqueue({ topic: 'clicks', body: `click ${count}` })
await producer.flush()
console.log('flushed 1000')

// Without an answer.
await producer.sendOneway({ topic: 'clicks', body: Buffer.from([0, 1, 2]) })

// With a limit of one's own. The message may be sent all the same.
await producer.send({ topic: 'orders', body: '{}' }, { signal: AbortSignal.timeout(2000) })

// With TypeScript 5.2 or Node 24: `await using producer = ...` closes by itself.
await producer.close()
