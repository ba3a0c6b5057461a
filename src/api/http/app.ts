import { randomUUID } from 'node:crypto'
import express, { type Express, type NextFunction, type RequestHandler } from 'express'
import helmet from 'helmet'
import type { Logger } from 'pino'
import { answering, type AnsweringDeps } from './answering.ts'
import { jsonBody } from './body.ts'
import { errorHandler } from './error-handler.ts'
import { gate } from './gate.ts'
import { givenRequestId } from './headers.ts'
import { requestLog } from './logging.ts'
import { openApiDocument } from './openapi.ts'
import type { Authenticate, HttpRequest, HttpResponse } from './principal.ts'
import { problem } from './problem.ts'
import { createRateLimits, type RateLimits } from './rate-limit.ts'
import type { Route } from './route.ts'
import { uploadBody } from './upload.ts'

export type AppDeps = AnsweringDeps & {
  /** Everything under the contract, mounted in this order. */
  readonly routes: readonly Route[]
  readonly authenticate: Authenticate
  /** See `gate`. */
  readonly newest?: () => Promise<void>
  readonly log: Logger
  readonly version: string
  readonly publicUrl?: string
  /** Counted together with the feed's where both are given the same. */
  readonly limits?: RateLimits
  /** Proxies in front whose X-Forwarded-For counts (0). */
  readonly trustedProxies?: number
  /** Pages, static files, the simulator: what is not an API route. Mounted after the routes, before the 404. */
  readonly mount?: (app: Express) => void
  /** For metrics: after each answer. `route` is the pattern, never the address. */
  readonly onAnswer?: (answer: { method: string; route: string; status: number; seconds: number }) => void
}

const mebibyte = 1_048_576

/** The Express application: request id → log → security headers → per route: gate, body, handler → 404 → the one error handler. */
export function createApp(deps: AppDeps): Express {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('query parser', 'simple')
  app.set('trust proxy', deps.trustedProxies ?? 0)

  app.use((req: HttpRequest, res: HttpResponse, next: NextFunction) => {
    res.locals.requestId = givenRequestId(req) ?? randomUUID()
    res.set('X-Request-Id', res.locals.requestId)
    next()
  })
  app.use(requestLog(deps.log, (path) => path === '/healthz' || path === '/readyz' || path === '/metrics'))
  app.use(observed(deps.onAnswer))
  app.use(securityHeaders())
  // Set before anything can refuse. Express matches addresses in any case, so this does too.
  app.use((req: HttpRequest, res: HttpResponse, next: NextFunction) => {
    if (/^\/(?:v1|api)(?:\/|$)/i.test(req.path)) res.set('Cache-Control', 'no-store')
    next()
  })
  app.use((req: HttpRequest, _res: HttpResponse, next: NextFunction) => {
    // PostgreSQL text cannot hold U+0000; no id or filter needs it.
    if (/%00/.test(req.url)) throw problem('bad_request', 'The address contains the character U+0000.')
    next()
  })

  mountRoutes(app, deps)
  mountDocs(app, deps)
  deps.mount?.(app)
  app.use(() => {
    throw problem('not_found', 'There is nothing at this address.')
  })
  app.use(errorHandler((error, requestId, status) => deps.log.error({ err: error, request_id: requestId, status }, 'a request failed')))
  return app
}

function mountRoutes(app: Express, deps: AppDeps): void {
  const limits = deps.limits ?? createRateLimits()
  const methods = new Map<string, Set<string>>()
  for (const route of deps.routes) {
    const path = route.path.replaceAll(/\{(\w+)\}/g, ':$1')
    const json = route.body === undefined ? [] : [jsonBody(route.bodyLimit ?? mebibyte, route.bodyOptional === true)]
    const body = route.upload === undefined ? json : [uploadBody(route.upload.maxBytes)]
    app[route.method](path, gate(route, deps.authenticate, limits, deps.newest), ...body, answering(route, deps))
    methods.set(path, (methods.get(path) ?? new Set()).add(route.method.toUpperCase()))
  }
  for (const [path, allowed] of methods) {
    app.all(path, () => {
      throw problem('method_not_allowed', { headers: { Allow: [...allowed].join(', ') } })
    })
  }
}

/** `/openapi.json` and `/docs`, made from the routes at the first request: the document costs some 10 ms that a start need not pay. */
function mountDocs(app: Express, { routes, version, publicUrl }: AppDeps): void {
  let document: string | undefined
  app.get('/openapi.json', (_req, res) => {
    document ??= JSON.stringify(openApiDocument(routes, { version, publicUrl }))
    res.type('json').send(document)
  })
  // validatorUrl: null keeps the page from asking swagger.io about us; everything it needs is served from here.
  // Loaded when somebody looks: it would take 20 MB of every idle process.
  let page: Promise<RequestHandler> | undefined
  const pages = async (): Promise<RequestHandler[]> => {
    const { serve, setup } = await import('swagger-ui-express')
    return [...serve, setup(undefined, { swaggerUrl: '/openapi.json', customSiteTitle: 'Recado API', swaggerOptions: { validatorUrl: null } })]
  }
  app.use('/docs', (req, res, next) => {
    page ??= pages().then((handlers) => express.Router().use(...handlers))
    page.then((router) => router(req, res, next), next)
  })
}

const securityHeaders = (): ReturnType<typeof helmet> =>
  helmet({
    contentSecurityPolicy: {
      directives: {
        defaultSrc: ["'self'"],
        scriptSrc: ["'self'"],
        // Swagger UI's page carries its own <style>.
        styleSrc: ["'self'", "'unsafe-inline'"],
        imgSrc: ["'self'", 'data:', 'blob:'],
        mediaSrc: ["'self'", 'blob:'],
        connectSrc: ["'self'"],
        frameAncestors: ["'self'"],
        // On plain http (a first try on a laptop) it would turn every request of the page into one to a port that does not speak TLS.
        upgradeInsecureRequests: null,
      },
    },
    crossOriginEmbedderPolicy: false,
  })

const observed =
  (onAnswer: AppDeps['onAnswer']) =>
  (req: HttpRequest, res: HttpResponse, next: NextFunction): void => {
    if (onAnswer !== undefined) {
      const start = process.hrtime.bigint()
      res.once('close', () => {
        const route = (req.route as { path?: string } | undefined)?.path ?? 'none'
        onAnswer({ method: req.method, route, status: res.statusCode, seconds: Number(process.hrtime.bigint() - start) / 1e9 })
      })
    }
    next()
  }
