// A handler that fails, and a name server that is not there, without a logger.
import { Producer, PushConsumer } from 'ferromq'

const [namesrv, topic] = process.argv.slice(2)
const lost = new Producer({ namesrv: '127.0.0.1:1', group: 'p', sendTimeout: 100 })
lost.enqueue({ topic, body: 'x' })
await lost.flush().catch(() => {})
await lost.close()
const producer = new Producer({ namesrv, group: 'p' })
await producer.send({ topic, body: 'x' })
const consumer = new PushConsumer({ namesrv, group: topic, subscriptions: { [topic]: '*' }, consumeFrom: 'first' })
await consumer.run({}, () => {
  void consumer.close()
  throw new Error('of the handler')
})
await Promise.all([producer.close(), consumer.close()])
