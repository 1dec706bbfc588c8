// One send, and nothing else that would keep the process alive.
import { Producer } from 'ferromq'

const [namesrv, topic] = process.argv.slice(2)
const producer = new Producer({ namesrv, group: 'p' })
producer.send({ topic, body: 'x' }).then((receipt) => console.log(receipt.status))
