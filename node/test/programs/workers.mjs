// Threads that produce and consume at the same time, then end with everything open.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

const COUNT = 4

async function work({ namesrv, topic, group }) {
  const { Producer, PushConsumer } = await import('ferromq')
  const producer = new Producer({ namesrv, group })
  const consumer = new PushConsumer({ namesrv, group, subscriptions: { [topic]: '*' }, consumeFrom: 'first' })
  await Promise.all(Array.from({ length: 100 }, () => producer.send({ topic, body: 'x' })))
  let count = 0
  void consumer.run({}, async () => {
    count += 1
    if (count === 100) parentPort.postMessage('worked')
    if (count >= 100) void producer.send({ topic, body: 'more' }).catch(() => {})
  })
}

async function main() {
  const [namesrv, topic, only] = process.argv.slice(2)
  const workers = Array.from({ length: COUNT }, (_, index) => {
    const name = `${topic}-${index}`
    return new Worker(new URL(import.meta.url), { workerData: { namesrv, topic: name, group: name } })
  })
  await Promise.all(workers.map((worker) => new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })))
  console.log(`worked ${workers.length}`)
  await Promise.all(workers.map((worker) => worker.terminate()))
  console.log(`ended ${workers.length}`)
  if (only) {
    // What the addon's threads do now, they do without any thread of Node.
    await new Promise((resolve) => setTimeout(resolve, 300))
    return
  }
  const { Producer } = await import('ferromq')
  const producer = new Producer({ namesrv, group: 'main' })
  await producer.send({ topic, body: 'x' })
  await producer.close()
  console.log('main works')
}

if (isMainThread) await main()
else await work(workerData)
