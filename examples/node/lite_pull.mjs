// Reads queues at one's own pace: poll, seek, commit.
//
//   node lite_pull.mjs [NAMESRV]
import { LitePullConsumer, Producer } from 'ferromq'

const namesrv = process.argv[2] ?? '127.0.0.1:9876'
const producer = new Producer({ namesrv, group: 'shop' })
await producer.sendMany(Array.from({ length: 50 }, (_, id) => ({ topic: 'history', body: `${id}` })))

const consumer = new LitePullConsumer({ namesrv, group: 'audit', consumeFrom: 'first', autoCommit: false })

// These queues, all of them; `subscribe` would share them with other members of the group.
const queues = await consumer.queues('history')
await consumer.assign(queues)

let read = 0
while (read < 50) {
  const messages = await consumer.poll({ timeout: 5000 })
  read += messages.length
  await consumer.commit()
}
console.log(`read ${read}, the first queue is committed at ${await consumer.committed(queues[0])}`)

// Once more from the beginning.
for (const queue of queues) await consumer.seekToBegin(queue)
const stop = new AbortController()
for await (const message of consumer.messages({ signal: stop.signal })) {
  read += message.queueOffset >= 0 ? 1 : 0
  if (read === 100) stop.abort()
}
console.log(`read ${read}`)

await consumer.close()
await producer.close()
