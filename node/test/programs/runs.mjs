// Consumes and sends for ever; ends itself in the way that the third argument names.
import { Producer, PushConsumer } from 'ferromq'

const [namesrv, topic, how] = process.argv.slice(2)
const producer = new Producer({ namesrv, group: 'p' })
const consumer = new PushConsumer({ namesrv, group: topic, subscriptions: { [topic]: '*' }, consumeFrom: 'first' })
let count = 0

async function send() {
  for (;;) await producer.send({ topic, body: 'x' })
}

void Promise.all([send(), send(), send()])
void consumer.run({ concurrency: 4 }, async () => {
  count += 1
  if (count === 10) {
    if (how === 'exit') process.exit(7)
    if (how === 'throw') setImmediate(() => { throw new Error('of the program') })
    console.log('running')
  }
})
