// The installed package as its users have it: the module both ways, the command, and that nothing stays behind.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { executable, ServerError, startBroker } from 'ferromq-server'

const PATIENCE_MS = 30_000

function run(args, input = '') {
  const done = spawnSync(executable(), args, { input, encoding: 'utf8', timeout: PATIENCE_MS })
  assert.equal(done.status, 0, done.stderr)
  return done.stdout
}

function isThere(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function until(holds) {
  const deadline = Date.now() + PATIENCE_MS
  while (!holds()) {
    assert.ok(Date.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

// Temporary folders that a broker made; each test file has a temporary folder of its own.
const left = () => readdirSync(tmpdir()).filter((name) => name.startsWith('ferromq-'))

test('what the carried executable produces it consumes, and a topic has the queues it was made with', async () => {
  const broker = await startBroker()
  await broker.createTopic('orders', { queues: 1 })
  const where = ['--namesrv', broker.namesrv, '--topic', 'orders']
  run(['produce', ...where], 'one\ntwo\n')
  const out = run(['consume', ...where, '--from', 'first', '--count', '2', '--format', '%q%s\\n'])
  assert.deepEqual(out.split('\n').sort(), ['', '0one', '0two'])
  await assert.rejects(broker.createTopic('no such/name'), /no such\/name/)
  await broker.close()
  await broker.close()
  assert.ok(!isThere(broker.pid))
  assert.deepEqual(left(), [])
})

test('it is disposed of by its scope, and required as well as imported', async () => {
  const { startBroker: start } = createRequire(import.meta.url)('ferromq-server')
  const broker = await start({ properties: { brokerName: 'other' } })
  assert.equal(broker.brokerName, 'other')
  await broker[Symbol.asyncDispose]()
  assert.ok(!isThere(broker.pid))
})

test('a killed broker leaves nothing', async () => {
  const broker = await startBroker()
  await broker.kill()
  assert.ok(!isThere(broker.pid))
  assert.deepEqual(left(), [])
})

test('the broker of a process that is killed ends by itself', async () => {
  const program = `import('ferromq-server').then(async ({ startBroker }) => {
    console.log((await startBroker()).pid); setInterval(() => {}, 1000) })`
  const parent = spawn(process.execPath, ['--eval', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [pid] = await once(createInterface({ input: parent.stdout }), 'line')
  parent.kill('SIGKILL')
  await until(() => !isThere(Number(pid)) && left().length === 0)
})

test('a running broker does not keep the process alive', () => {
  const program = "import('ferromq-server').then(({ startBroker }) => startBroker())"
  const done = spawnSync(process.execPath, ['--eval', program], { timeout: PATIENCE_MS })
  assert.equal(done.status, 0)
})

test('a wrong property is answered with what the broker said', async () => {
  const wrong = startBroker({ properties: { messageDelayLevel: 'nonsense' } })
  await assert.rejects(wrong, (error) => error instanceof ServerError && /messageDelayLevel/.test(error.message))
})

test('an executable that is named and not there is an error that says so', async () => {
  process.env.FERROMQ_BIN = '/nowhere/ferromq'
  await assert.rejects(startBroker(), /\/nowhere\/ferromq/)
  delete process.env.FERROMQ_BIN
})

test('the command ferromq is the executable, with its exit code', () => {
  const command = 'node_modules/.bin/ferromq'
  assert.ok(existsSync(command))
  const version = spawnSync(command, ['--version'], { encoding: 'utf8' })
  assert.equal(version.stdout, run(['--version']))
  assert.equal(spawnSync(command, ['nonsense']).status, 2)
})
