// What the tests share: a broker, clients that end with the test, and waiting for conditions.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { startBroker } from 'ferromq-server'
import { LitePullConsumer, Producer, PushConsumer } from 'ferromq'

export const PATIENCE_MS = 30_000

/** A broker for the tests of a file: messages that failed come again after a second. */
export function broker(test) {
  const started = startBroker({ properties: { messageDelayLevel: '1s 1s 1s 1s 1s 1s 1s' } })
  // A failure to start is told by the tests that await it.
  started.catch(() => {})
  test.after(async () => (await started).close())
  return started
}

let count = 0

/** A name that no other test of this process has. */
export function unique(name) {
  count += 1
  return `${name}-${process.pid}-${count}`
}

function ending(t, object) {
  t.after(() => object.close())
  return object
}

export function producer(t, namesrv, options) {
  return ending(t, new Producer({ namesrv, group: unique('p'), ...options }))
}

export function push(t, namesrv, topic, options) {
  const subscriptions = { [topic]: '*' }
  return ending(t, new PushConsumer({ namesrv, group: unique('g'), subscriptions, consumeFrom: 'first', ...options }))
}

export function lite(t, namesrv, options) {
  return ending(t, new LitePullConsumer({ namesrv, group: unique('l'), consumeFrom: 'first', ...options }))
}

/** The queues of a topic that was just made by its first message: name servers hear of it a little later. */
export function queuesOf(consumer, topic) {
  return until(`the queues of ${topic}`, async () => {
    const queues = await consumer.queues(topic).catch(() => [])
    return queues.length > 0 && queues
  })
}

/** Gathers what is logged. */
export function gathering() {
  const lines = []
  const at = (level) => (message, ...details) => lines.push({ level, message, details })
  return { lines, error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') }
}

/** Waits until `condition` gives something true, and gives it. */
export async function until(what, condition) {
  const deadline = Date.now() + PATIENCE_MS
  for (;;) {
    const found = await condition()
    if (found) return found
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Runs a program of `programs/` to its end; killed after a while, which is a failure. */
export async function program(name, args, { onOutput, runtime = [] } = {}) {
  const path = fileURLToPath(new URL(`programs/${name}`, import.meta.url))
  const child = spawn(process.execPath, [...runtime, path, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    out += text
    onOutput?.(child, out)
  })
  child.stderr.setEncoding('utf8').on('data', (text) => (err += text))
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
  const [code, signal] = await once(child, 'close')
  clearTimeout(timer)
  return { code, signal, out, err }
}
