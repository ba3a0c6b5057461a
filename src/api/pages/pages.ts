import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import express, { type Express } from 'express'

/** What the page needs to sign itself in where a newcomer tries Recado on the own machine. */
export type DemoSession = { readonly apiKey: string; readonly tenantName: string; readonly phoneUrl: string }

const folder = import.meta.dirname

/**
 * `GET /` and its files: plain HTML, CSS and modules, served as they are in the repository.
 * `GET /demo/session` hands out the demo tenant's key, and only when there is a demo and the question comes from this machine's own browser and page.
 */
export function mountPages(app: Express, options: { demo?: () => DemoSession | undefined }): void {
  const files = express.static(folder, { index: false, etag: true, cacheControl: true, maxAge: 0, dotfiles: 'ignore' })
  app.get('/', (_req, res) => {
    res.sendFile(join(folder, 'index.html'), { maxAge: 0 })
  })
  app.use('/console', (req, res, next) => {
    // Of this folder only what a browser needs; the sources beside it are nobody's business.
    if (/^\/[a-z]+\.(js|css|svg)$/.test(req.path)) return files(req, res, next)
    next()
  })
  app.get('/demo/session', (req, res, next) => {
    const session = options.demo?.()
    if (session === undefined || !fromOwnPage(req)) return next()
    res.set('Cache-Control', 'no-store').json({ api_key: session.apiKey, tenant: { name: session.tenantName }, phone_url: session.phoneUrl })
  })
}

const loopbackHost = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i
const loopbackAddress = /^(::1|(::ffff:)?127(\.\d{1,3}){3})$/

/** What a proxy says of whom it speaks for. Any of them, even an empty one, means that somebody stands in between. */
const proxied = /^(via|forwarded|x-real-ip|x-forwarded-.+)$/

/**
 * Asked over the loopback interface, without a proxy in between, under a loopback name (a foreign name that resolves to 127.0.0.1 is an attack), and not by
 * another site's page. A proxy that adds no header at all and rewrites `Host` is still taken for the machine's own browser: nothing in the request tells the two apart.
 */
export function fromOwnPage({ headers, socket }: { headers: IncomingMessage['headers']; socket: { remoteAddress?: string | undefined } }): boolean {
  const site = headers['sec-fetch-site']
  return (
    loopbackAddress.test(socket.remoteAddress ?? '') &&
    !Object.keys(headers).some((name) => proxied.test(name)) &&
    loopbackHost.test(headers.host ?? '') &&
    [headers.origin, headers.referer].every((from) => from === undefined || ofLoopback(from)) &&
    (site === undefined || site === 'same-origin' || site === 'none')
  )
}

const ofLoopback = (address: string): boolean => loopbackHost.test(URL.parse(address)?.host ?? '')
