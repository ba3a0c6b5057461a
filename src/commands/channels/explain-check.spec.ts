import { describe, expect, it } from 'vitest'
import { explainCheck } from './explain-check.ts'

const account = { phoneNumberId: '111', wabaId: '222' }
const error = (code: number, message: string, status = 400) => ({ code, message, status })

describe('a check that failed is explained to whoever can mend it:', () => {
  it.each([
    [error(190, 'Error validating access token: Session has expired on Friday', 401), 'expired', 'System users'],
    [error(190, 'Invalid OAuth access token - Cannot parse access token', 401), 'does not know the access token', 'copied whole'],
    [error(0, '', 401), 'does not accept the access token', 'System users'],
    [error(200, '(#200) You do not have the necessary permissions'), 'lacks a permission', 'whatsapp_business_management'],
    [error(10, 'Application does not have permission', 403), 'lacks a permission', 'WhatsApp accounts'],
    [error(33, 'Phone number 111 is not one of WhatsApp Business Account 222'), 'another WhatsApp account', '111'],
    [error(100, 'Unsupported get request. Object with ID 111 does not exist'), 'no such number', 'not the phone number itself'],
    [error(803, 'Some of the aliases you requested do not exist'), 'no such number', '222'],
    [error(2200, '(#2200) Callback verification failed'), 'webhook address', 'PUBLIC_URL'],
    [error(131031, 'Account locked', 403), 'locked', '111'],
    [error(99_999, 'Nobody knows'), '99999', '111'],
  ])('%j', (given, title, detail) => {
    const said = explainCheck(given, account)
    expect(said.title).toContain(title)
    expect(said.detail).toContain(detail)
    expect(said.passing).toBe(false)
  })
  it.each([[error(2, 'Service unavailable', 503)], [error(4, 'Application request limit')], [error(80007, 'Rate limit')]])(
    '%j passes by itself',
    (given) => {
      expect(explainCheck(given, account).passing).toBe(true)
    },
  )
})
