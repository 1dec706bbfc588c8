// Messages of one key, in their order: a sharding key when sending, `orderly` when consuming.
//
//   node orderly.mjs [NAMESRV]
import { Producer, PushConsumer } from 'ferromq'

const namesrv = process.argv[2] ?? '127.0.0.1:9876'
const STATES = ['ordered', 'paid', 'shipped', 'delivered']
const producer = new Producer({ namesrv, group: 'shop' })

// Each is awaited: what is sent again after a failure cannot then overtake.
for (const state of STATES) {
  for (const order of ['a', 'b', 'c']) {
    await producer.send({ topic: 'states', body: state, key: order, shardingKey: order })
  }
}

const subscriptions = { states: '*' }
const consumer = new PushConsumer({ namesrv, group: 'tracking', subscriptions, consumeFrom: 'first' })
const seen = { a: [], b: [], c: [] }
let left = STATES.length * 3

// Queues are handled beside each other, messages of one queue never; one that fails holds up those behind it.
await consumer.run({ orderly: true, concurrency: 3 }, async (message) => {
  seen[message.keys[0]].push(message.body.toString())
  left -= 1
  if (left === 0) void consumer.close()
})
for (const [order, states] of Object.entries(seen)) console.log(`${order}: ${states.join(', ')}`)

await consumer.close()
await producer.close()
