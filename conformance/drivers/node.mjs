// The driver of the npm package ferromq: see README.md. APIs of consuming: run (a handler), loop (`for await`), lite (a loop
// over a lite pull consumer).
import { parseArgs } from 'node:util'
import { LitePullConsumer, Producer, PushConsumer } from 'ferromq'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    namesrv: { type: 'string' },
    topic: { type: 'string' },
    from: { type: 'string' },
    to: { type: 'string' },
    group: { type: 'string' },
    count: { type: 'string' },
    api: { type: 'string', default: 'run' },
    codec: { type: 'string', default: 'json' },
    sharded: { type: 'boolean', default: false },
    many: { type: 'boolean', default: false },
    orderly: { type: 'boolean', default: false },
    'fail-tens': { type: 'boolean', default: false },
  },
})
const APIS = ['run', 'loop', 'lite']
const { namesrv, topic, api } = options
const client = { namesrv, headerCodec: options.codec, logger: { ...console, warn: console.error, error: console.error } }

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)

function message(i) {
  const text = `Grüße, 世界 🦀 ${i}`
  const number = Buffer.alloc(4)
  number.writeUInt32BE(i)
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
  return {
    topic,
    body: Buffer.concat([number, bytes, Buffer.from(text)]),
    key: `key-${i}`,
    tag: i % 2 === 0 ? 'even' : 'odd',
    properties: { text, i: `${i}` },
    ...(options.sharded ? { shardingKey: `${i % 7}` } : {}),
  }
}

async function send() {
  await closing(new Producer({ ...client, group: 'driver-node' }), async (producer) => {
    const from = Number(options.from)
    const messages = Array.from({ length: Number(options.to) - from }, (_, index) => message(from + index))
    const tell = ({ messageId, queue, queueOffset }, index) =>
      say({ i: from + index, message_id: messageId, queue_id: queue.id, queue_offset: queueOffset })
    if (options.many) {
      ;(await producer.sendMany(messages)).forEach(tell)
      return
    }
    for (const [index, one] of messages.entries()) tell(await producer.send(one), index)
  })
}

/** What `await using` does, for versions of Node that cannot read it. */
async function closing(object, body) {
  try {
    await body(object)
  } finally {
    await object[Symbol.asyncDispose]()
  }
}

async function consume() {
  const { group, orderly } = options
  const failing = options['fail-tens'] && api !== 'lite'
  const consumed = new Set()
  const failed = new Set()
  const listen = (received) => {
    const i = Number(received.properties.i)
    const ok = !(failing && i % 10 === 0 && !failed.has(i))
    say({
      i,
      ok,
      body: received.body.toString('hex'),
      key: received.keys.join(' '),
      tag: received.tag,
      text: received.properties.text,
      queue_id: received.queue.id,
      queue_offset: received.queueOffset,
      reconsume_times: received.reconsumeTimes,
    })
    if (!ok) {
      failed.add(i)
      throw new Error(`wanted: the first delivery of ${i} fails`)
    }
    consumed.add(i)
    return consumed.size === Number(options.count)
  }
  const settings = { ...client, group, consumeFrom: 'first' }
  if (api === 'lite') {
    await closing(new LitePullConsumer(settings), async (consumer) => {
      await consumer.subscribe(topic)
      await loop(consumer, {}, listen)
    })
    return
  }
  await closing(new PushConsumer({ ...settings, subscriptions: { [topic]: '*' } }), async (consumer) => {
    if (api === 'run') await consumer.run({ orderly }, (received) => void (listen(received) && consumer.close()))
    else await loop(consumer, { orderly }, listen)
  })
}

/** A loop that is left by an error gets the message again when it is entered again. */
async function loop(consumer, how, listen) {
  const controller = new AbortController()
  while (!controller.signal.aborted) {
    try {
      for await (const received of consumer.messages({ ...how, signal: controller.signal })) {
        if (listen(received)) controller.abort()
      }
    } catch (error) {
      if (!/^wanted/.test(error.message)) throw error
    }
  }
}

const commands = { send, consume }
if (api === '?') say(APIS)
else if (!APIS.includes(api)) throw new Error(`there is no API ${api}`)
else await commands[positionals[0]]()
