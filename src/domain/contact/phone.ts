/**
 * The one form of a number that Brazil, Mexico and Argentina write in two: the same subscriber gives the same digits, two subscribers never do.
 * For look-ups only; what the provider said is kept as it said it. `waId`: digits, no `+`.
 *
 * - Brazil: mobiles got a ninth digit, and WhatsApp knows who joined before without it. Land lines begin with 2 to 5 and have eight digits for ever.
 * - Mexico: the 1 after 52 marked mobiles until 2019. National numbers are dialled alike for both kinds, so without it nobody is confused with anybody.
 * - Argentina: mobiles have a 9 after 54, or, as they are dialled at home, a 15 after the area code. Ten digits without either are a land line that may
 *   differ from the mobile with the same digits, so the 9 is never guessed: libphonenumber knows no such number that is a mobile.
 *
 * Own rules and not a look-up in libphonenumber: its tables of all countries take 21 MB of memory and 12 µs per number; the spec holds the rules to them.
 */
export function canonicalPhone(waId: string): string {
  if (waId.startsWith('55')) return waId.replace(brazilianMobileOfEightDigits, '55$19$2')
  if (waId.startsWith('521')) return waId.replace(mexicanWithMobileMark, '52$1')
  if (waId.startsWith('54')) return waId.replace(argentineDialledAtHome, '549$1$2$3')
  return waId
}

const brazilianMobileOfEightDigits = /^55((?:[14689][1-9]|2[12478]|3[1-578]|5[13-5]|7[13-579]))([6-9]\d{7})$/
/** Area codes 200 and 201 are land lines only; 300, 500, 800, 888 and 900 are services. */
const mexicanWithMobileMark = /^521(?!20[01]|[3589]00|888)([2-9]\d{9})$/
/** Buenos Aires is 11; all other area codes have three or four digits and begin with 2 or 3. Area code and subscriber are ten digits together. */
const argentineDialledAtHome = /^54(?=\d{12}$)(?:(11)15|([23]\d{2,3}?)15)(\d{6,8})$/
