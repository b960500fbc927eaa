import { formFault } from '../left-out.ts'
import { spendReading, spendSteps } from '../meter.ts'

const days = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ')
const months = 'January February March April May June July August September October November December'.split(
  ' ',
)

function dayOfYear(date: Date): number {
  const start = Date.UTC(date.getFullYear(), 0, 1)
  return Math.round((Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - start) / 86_400_000) + 1
}

const two = (value: number): string => String(value).padStart(2, '0')
const day = (date: Date): string => days[date.getDay()] ?? ''
const month = (date: Date): string => months[date.getMonth()] ?? ''

/** What each directive writes: a function of the date, or directives that it stands for. */
const directives: Readonly<Record<string, string | ((date: Date) => string)>> = {
  a: (date) => day(date).slice(0, 3),
  A: day,
  b: (date) => month(date).slice(0, 3),
  B: month,
  c: '%a %b %e %H:%M:%S %Y',
  d: (date) => two(date.getDate()),
  D: '%m/%d/%y',
  e: (date) => String(date.getDate()).padStart(2, ' '),
  F: '%Y-%m-%d',
  H: (date) => two(date.getHours()),
  I: (date) => two(date.getHours() % 12 || 12),
  j: (date) => String(dayOfYear(date)).padStart(3, '0'),
  m: (date) => two(date.getMonth() + 1),
  M: (date) => two(date.getMinutes()),
  p: (date) => (date.getHours() < 12 ? 'AM' : 'PM'),
  r: '%I:%M:%S %p',
  R: '%H:%M',
  S: (date) => two(date.getSeconds()),
  T: '%H:%M:%S',
  x: '%m/%d/%y',
  X: '%H:%M:%S',
  y: (date) => two(date.getFullYear() % 100),
  Y: (date) => String(date.getFullYear()),
  // datetime.now() is naive: it has no zone.
  z: () => '',
  Z: () => '',
  '%': () => '%',
}

/** Python's datetime.strftime for a naive local time, in English (the C locale). */
export function strftime(date: Date, format: string): string {
  // glibc's flags: `-` no padding, `_` spaces, `^` capitals.
  spendReading(format.length)
  return format.replace(/%([-_^]?)([\s\S])/g, (_, flag: string, code: string) => {
    spendSteps(4)
    const directive = Object.hasOwn(directives, code) ? directives[code] : undefined
    if (directive === undefined) throw formFault('a directive of strftime for anything but a date or a time')
    const text = typeof directive === 'string' ? strftime(date, directive) : directive(date)
    if (flag === '-') return text.replace(/^[0 ]+(?=\d)/, '')
    if (flag === '_') return text.replace(/^0+(?=\d)/, (zeros) => ' '.repeat(zeros.length))
    return flag === '^' ? text.toUpperCase() : text
  })
}
