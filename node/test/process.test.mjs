// The life of a process: when it ends by itself, and that nothing ends it but the program.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import test from 'node:test'
import * as ferromq from 'ferromq'
import { broker, program, unique } from './support.mjs'

const started = broker(test)
const require = createRequire(import.meta.url)

/** The name server, and a topic that is there. */
async function place(name) {
  const running = await started
  const topic = unique(name)
  await running.createTopic(topic)
  return [running.namesrv, topic]
}

/** The name server, and the name that the topics of four worker threads begin with. */
async function places(name) {
  const running = await started
  const topic = unique(name)
  await Promise.all([0, 1, 2, 3].map((worker) => running.createTopic(`${topic}-${worker}`)))
  return [running.namesrv, topic]
}

/** Runs a program that must end well by itself. */
async function ends(name, args, options) {
  const result = await program(name, args, options)
  assert.deepEqual({ code: result.code, signal: result.signal, err: result.err }, { code: 0, signal: null, err: '' })
  return result.out
}

test('import and require give the same classes', () => {
  const common = require('ferromq')
  assert.deepEqual(Object.keys(common).sort(), Object.keys(ferromq).sort())
  for (const name of Object.keys(ferromq)) assert.equal(common[name], ferromq[name])
})

test('the codes are those of the addon', () => {
  const addon = require(Object.keys(require('ferromq/package.json').optionalDependencies)[0])
  assert.deepEqual([...ferromq.ERROR_CODES], addon.codes().map((line) => line.code))
})

for (const how of ['closed', 'idle-producer', 'forgotten', 'enqueued', 'unstarted']) {
  test(`the process ends by itself: ${how}`, async () => {
    assert.equal(await ends('ends.mjs', [how, ...(await place('ends'))]), 'end\n')
  })
}

for (const how of ['push', 'lite']) {
  test(`an open ${how} consumer keeps the process alive until it is closed`, async () => {
    assert.equal(await ends('stays.mjs', [how, ...(await place('stays'))]), 'joined\nclosing\nclosed\n')
  })
}

test('SIGINT ends a process with a running consumer as it ends any', async () => {
  const onOutput = (child, out) => out === 'running\n' && child.kill('SIGINT')
  const { signal, err } = await program('runs.mjs', await place('runs'), { onOutput })
  assert.deepEqual({ signal, err }, { signal: 'SIGINT', err: '' })
})

test('process.exit with running consumers and sends under way', async () => {
  const { code, signal, err } = await program('runs.mjs', [...(await place('exits')), 'exit'])
  assert.deepEqual({ code, signal, err }, { code: 7, signal: null, err: '' })
})

test('an exception of the program ends it as ever', async () => {
  const { code, err } = await program('runs.mjs', [...(await place('throws')), 'throw'])
  assert.equal(code, 1)
  assert.match(err, /Error: of the program/)
})

test('worker threads each have their own; ending one with open objects harms nobody', async () => {
  assert.equal(await ends('workers.mjs', await places('workers')), 'worked 4\nended 4\nmain works\n')
})

test('the addon stays when the only thread that has loaded it ends', async () => {
  assert.equal(await ends('workers.mjs', [...(await places('workers')), 'only']), 'worked 4\nended 4\n')
})

test('failures that nobody awaits here are nobody else\'s: no rejection goes unhandled', async () => {
  assert.equal(await ends('unhandled.mjs', []), 'end\n')
})

test('without a logger, what the library says becomes warnings of the process', async () => {
  const { namesrv } = await started
  const { code, err } = await program('warns.mjs', [namesrv, unique('warns')])
  assert.equal(code, 0)
  assert.match(err, /FerroMQWarning: the handler failed/)
  assert.match(err, /FerroMQWarning: ferromq/)
})

test('Symbol.asyncDispose is there', async () => {
  assert.equal(typeof Symbol.asyncDispose, 'symbol')
  for (const name of ['Producer', 'PushConsumer', 'LitePullConsumer']) {
    assert.equal(typeof ferromq[name].prototype[Symbol.asyncDispose], 'function')
  }
})

test('a program that waits for its only send stays alive for it', async () => {
  const { namesrv } = await started
  assert.match(await ends('sends.mjs', [namesrv, unique('sends')]), /^SEND_OK\n$/)
})
