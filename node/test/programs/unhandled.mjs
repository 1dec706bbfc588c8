// Every call fails or is given up, and each promise that was given out is looked at once.
import { LitePullConsumer, Producer, PushConsumer } from 'ferromq'

process.on('unhandledRejection', (reason) => {
  console.error('unhandled', reason)
  process.exitCode = 1
})
const quiet = { error() {}, warn() {}, info() {}, debug() {} }
const options = { namesrv: '127.0.0.1:1', group: 'g', logger: quiet }
const ignore = (promise) => promise.then(() => {}, () => {})
const message = { topic: 'T', body: 'x' }

const producer = new Producer({ ...options, sendTimeout: 50 })
const controller = new AbortController()
const { signal } = controller
const calls = [
  producer.send(message),
  producer.send(message, { signal }),
  producer.sendMany([message], { signal }),
  producer.send({}),
  producer.sendOneway(message),
]
producer.enqueue(message)
controller.abort()
await Promise.all(calls.map(ignore))
await ignore(producer.flush())
producer.enqueue(message)
await ignore(producer.close({ timeout: 0 }))

const push = new PushConsumer({ ...options, subscriptions: { T: '*' } })
const run = ignore(push.run({ signal: AbortSignal.timeout(50) }, () => {}))
await run
const iterator = push.messages()
const steps = [iterator.next(), iterator.next(), iterator.return()]
await push.close()
await Promise.all(steps.map(ignore))

const lite = new LitePullConsumer({ ...options, apiTimeout: 50 })
const aborted = new AbortController()
const polls = [lite.poll({ signal: aborted.signal }), lite.poll(), lite.queues('T'), lite.subscribe('T')]
aborted.abort()
await Promise.all(polls.map(ignore))
await lite.close()
await new Promise(setImmediate)
console.log('end')
