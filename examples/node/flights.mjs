/*
 * The demo's part in Node: produces flights, or consumes them as a member of a group.
 *
 *   flights.mjs produce --namesrv ADDR --topic T
 *   flights.mjs group --namesrv ADDR --topic T --group G --how orderly|pull|TAG
 *
 * `produce` reads a JSON object per line from stdin and prints the number of each flight that a broker has acknowledged; flights of
 * one aircraft are sent one after the other. `group` prints `[broker, queue, offset, key, tag, sequence, distance]` per message
 * and leaves its group when stdin closes.
 */
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { LitePullConsumer, Producer, PushConsumer } from 'ferromq'

/** Flights under way at a time; an aircraft has its lane. */
const LANES = 64
/** Longer than the default, so that a machine under load does not make a send go out twice. */
const SEND_TIMEOUT_MS = 15_000

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { namesrv: { type: 'string' }, topic: { type: 'string' }, group: { type: 'string' }, how: { type: 'string' } },
})
const { namesrv, topic, group, how } = values

async function produce() {
  const producer = new Producer({ namesrv, group: 'flights-node', sendTimeout: SEND_TIMEOUT_MS })
  // What each lane's next flight has to wait for.
  const lanes = Array.from({ length: LANES }, () => Promise.resolve())
  const laneOf = new Map()
  let underWay = 0
  let resume = () => {}
  const send = async ({ number, aircraft, tag, properties, body }) => {
    await producer.send({ topic, body, key: aircraft, tag, properties, shardingKey: aircraft })
    process.stdout.write(`${number}\n`)
    underWay -= 1
    resume()
  }
  for await (const line of createInterface({ input: process.stdin })) {
    const flight = JSON.parse(line)
    if (!laneOf.has(flight.aircraft)) laneOf.set(flight.aircraft, laneOf.size % LANES)
    const lane = laneOf.get(flight.aircraft)
    underWay += 1
    lanes[lane] = lanes[lane].then(() => send(flight))
    while (underWay > LANES * LANES) await new Promise((resolve) => (resume = resolve))
  }
  await Promise.all(lanes)
  await producer.close()
}

function enter(message) {
  const { queue, queueOffset, keys, tag, properties } = message
  const numbers = [Number(properties.sequence), Number(properties.distance)]
  process.stdout.write(`${JSON.stringify([queue.broker, queue.id, queueOffset, keys.join(' '), tag, ...numbers])}\n`)
}

/** Resolves when stdin closes. */
const closed = () => new Promise((resolve) => process.stdin.on('end', resolve).resume())

async function pull() {
  const consumer = new LitePullConsumer({ namesrv, group, consumeFrom: 'first' })
  await consumer.subscribe(topic)
  let over = false
  closed().then(() => (over = true))
  while (!over) (await consumer.poll({ timeout: 100 })).forEach(enter)
  await consumer.commit()
  await consumer.close()
}

async function push() {
  const orderly = how === 'orderly'
  const consumer = new PushConsumer({ namesrv, group, subscriptions: { [topic]: orderly ? '*' : how }, consumeFrom: 'first' })
  const running = consumer.run({ orderly }, enter)
  await Promise.race([closed(), running])
  await consumer.close()
  await running
}

if (positionals[0] === 'produce') await produce()
else if (how === 'pull') await pull()
else await push()
