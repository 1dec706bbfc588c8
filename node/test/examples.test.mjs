// The examples run as they are, and the driver of the conformance tests does what its description says.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test from 'node:test'
import { promisify } from 'node:util'
import { broker, PATIENCE_MS, unique } from './support.mjs'

const started = broker(test)
const root = new URL('../', import.meta.url)

async function output(path, args) {
  const file = fileURLToPath(new URL(path, root))
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [file, ...args], { timeout: PATIENCE_MS })
  return { stdout, stderr }
}

const expected = {
  produce: /^stored in queue \d at \d+ as \w{32}\nstored 3 more\nflushed 1000\n$/,
  push_consume: /^handled 20\nrefunded: one more\n$/,
  orderly: /^a: ordered, paid, shipped, delivered\nb: ordered, paid, shipped, delivered\nc: ordered, paid, shipped, delivered\n$/,
  lite_pull: /^read 50, the first queue is committed at \d+\nread 100\n$/,
}

test.before(async () => {
  const running = await started
  for (const topic of ['orders', 'clicks', 'payments', 'states', 'history']) await running.createTopic(topic)
})

for (const [name, wanted] of Object.entries(expected)) {
  test(`example ${name}`, async () => {
    const { namesrv } = await started
    const { stdout, stderr } = await output(`examples/${name}.mjs`, [namesrv])
    assert.match(stdout, wanted)
    assert.equal(stderr, '')
  })
}

test('the driver names its ways of consuming, and one reads without a listener', async () => {
  const { namesrv } = await started
  assert.equal((await output('driver.mjs', ['consume', '--api', '?'])).stdout, '["run","loop","lite"]\n')
  const at = ['--namesrv', namesrv, '--topic', unique('driver')]
  await output('driver.mjs', ['send', ...at, '--from', '0', '--to', '5'])
  const { stdout } = await output('driver.mjs', ['consume', ...at, '--group', unique('g'), '--count', '5', '--api', 'lite'])
  assert.equal(stdout.trim().split('\n').length, 5)
})

for (const [api, many, orderly] of [['run', false, false], ['run', true, true], ['loop', true, false], ['loop', false, true]]) {
  const words = [api, many && 'many', orderly && 'orderly'].filter(Boolean)
  test(`driver: ${words.join(', ')}`, async () => {
    const { namesrv } = await started
    const at = ['--namesrv', namesrv, '--topic', unique('driver'), '--codec', many ? 'binary' : 'json']
    const sending = ['send', ...at, '--from', '3', '--to', '33', '--sharded', ...(many ? ['--many'] : [])]
    const sent = await output('driver.mjs', sending)
    const lines = (text) => text.trim().split('\n').map((line) => JSON.parse(line))
    assert.deepEqual(lines(sent.stdout).map((line) => line.i), Array.from({ length: 30 }, (_, index) => index + 3))
    const consuming = ['consume', ...at, '--group', unique('g'), '--count', '30', '--api', api, '--fail-tens']
    const consumed = lines((await output('driver.mjs', [...consuming, ...(orderly ? ['--orderly'] : [])])).stdout)
    assert.deepEqual(consumed.filter((line) => !line.ok).map((line) => line.i).sort(), [10, 20, 30])
    const [one] = consumed.filter((line) => line.ok && line.i === 20)
    const text = 'Grüße, 世界 🦀 20'
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString('hex')
    assert.equal(one.body, `00000014${bytes}${Buffer.from(text).toString('hex')}`)
    assert.deepEqual([one.key, one.tag, one.text], ['key-20', 'even', text])
  })
}
