// Does something in one of the ways after which a process ends by itself, although not everything is closed.
import { LitePullConsumer, Producer, PushConsumer } from 'ferromq'

const [how, namesrv, topic] = process.argv.slice(2)
const producer = new Producer({ namesrv, group: 'p' })
const push = new PushConsumer({ namesrv, group: topic, subscriptions: { [topic]: '*' }, consumeFrom: 'first' })
const lite = new LitePullConsumer({ namesrv, group: 'l' })

if (how === 'closed') {
  await producer.send({ topic, body: 'x' })
  for await (const message of push) {
    void message
    break
  }
  await lite.assign(await lite.queues(topic))
  await Promise.all([producer.close(), push.close(), lite.close()])
} else if (how === 'idle-producer') {
  await producer.send({ topic, body: 'x' })
} else if (how === 'forgotten') {
  for (let count = 0; count < 20; count += 1) await new Producer({ namesrv, group: `p${count}` }).send({ topic, body: 'x' })
} else if (how === 'enqueued') {
  // The process stays until these are sent, and the consumer that looks after them sees them all.
  producer.enqueue({ topic, body: 'x' })
  process.once('beforeExit', async () => {
    for await (const message of push) {
      void message
      break
    }
    await push.close()
  })
}
process.once('exit', () => console.log('end'))
