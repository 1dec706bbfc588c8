// The same declarations from CommonJS.
import ferromq = require('ferromq')

export const producer: ferromq.Producer = new ferromq.Producer({ group: 'g' })
export const sent: Promise<ferromq.Receipt> = producer.send({ topic: 'T', body: 'x' })
