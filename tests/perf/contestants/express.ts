import { createHmac, timingSafeEqual } from 'node:crypto'
import express from 'express'
import { Pool } from 'pg'

/** What the usual tutorial builds: Express 5, raw body, HMAC, JSON.parse; with DATABASE_URL one INSERT per request before the 200. */
const secret = process.env['META_APP_SECRET'] ?? ''
const url = process.env['DATABASE_URL']
const pool = url === undefined ? undefined : new Pool({ connectionString: url, max: 20 })
await pool?.query(
  'create table if not exists public.plain_deliveries (id bigserial primary key, at timestamptz default now(), body jsonb not null) with (autovacuum_enabled = false)',
)

const app = express()
// oxlint-disable-next-line oxc/no-async-endpoint-handlers -- Express 5 hands a rejection to its error handler
app.post('/webhooks/meta', express.raw({ type: '*/*', limit: '3mb' }), async (req, res) => {
  const body = req.body as Buffer
  const given = Buffer.from(String(req.headers['x-hub-signature-256']).slice(7), 'hex')
  if (!timingSafeEqual(createHmac('sha256', secret).update(body).digest(), given)) {
    res.sendStatus(401)
    return
  }
  const text = body.toString('utf8')
  JSON.parse(text)
  if (pool !== undefined) await pool.query({ name: 'insert', text: 'insert into public.plain_deliveries (body) values ($1)', values: [text] })
  res.sendStatus(200)
})
app.listen(Number(process.env['PORT']), '127.0.0.1', () => process.stdout.write('ready\n'))
