// An open consumer and nothing else: only its timer, which does not count, closes it.
import { LitePullConsumer, PushConsumer } from 'ferromq'

const [how, namesrv, topic] = process.argv.slice(2)
let consumer
if (how === 'push') {
  consumer = new PushConsumer({ namesrv, group: topic, subscriptions: { [topic]: '*' } })
  void consumer.run({}, () => {})
} else {
  consumer = new LitePullConsumer({ namesrv, group: 'l' })
  await consumer.start()
}
console.log('joined')
const timer = setTimeout(async () => {
  console.log('closing')
  await consumer.close()
  console.log('closed')
}, 300)
timer.unref()
