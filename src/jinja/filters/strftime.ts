const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]

function dayOfYear(date: Date): number {
  const start = Date.UTC(date.getFullYear(), 0, 1)
  return Math.round((Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - start) / 86_400_000) + 1
}

function isoWeek(date: Date): { year: number; week: number } {
  const thursday = new Date(Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()))
  thursday.setUTCDate(thursday.getUTCDate() + 4 - (thursday.getUTCDay() || 7))
  const year = thursday.getUTCFullYear()
  return { year, week: Math.ceil(((thursday.getTime() - Date.UTC(year, 0, 1)) / 86_400_000 + 1) / 7) }
}

const two = (value: number): string => String(value).padStart(2, '0')

function directive(date: Date, code: string): string | undefined {
  const hour = date.getHours()
  switch (code) {
    case 'a':
      return days[date.getDay()]?.slice(0, 3)
    case 'A':
      return days[date.getDay()]
    case 'b':
    case 'h':
      return months[date.getMonth()]?.slice(0, 3)
    case 'B':
      return months[date.getMonth()]
    case 'c':
      return strftime(date, '%a %b %e %H:%M:%S %Y')
    case 'C':
      return two(Math.floor(date.getFullYear() / 100))
    case 'd':
      return two(date.getDate())
    case 'D':
    case 'x':
      return strftime(date, '%m/%d/%y')
    case 'e':
      return String(date.getDate()).padStart(2, ' ')
    case 'f':
      return String(date.getMilliseconds() * 1000).padStart(6, '0')
    case 'F':
      return strftime(date, '%Y-%m-%d')
    case 'g':
      return two(isoWeek(date).year % 100)
    case 'G':
      return String(isoWeek(date).year)
    case 'H':
      return two(hour)
    case 'I':
      return two(hour % 12 || 12)
    case 'j':
      return String(dayOfYear(date)).padStart(3, '0')
    case 'k':
      return String(hour).padStart(2, ' ')
    case 'l':
      return String(hour % 12 || 12).padStart(2, ' ')
    case 'm':
      return two(date.getMonth() + 1)
    case 'M':
      return two(date.getMinutes())
    case 'n':
      return '\n'
    case 'p':
      return hour < 12 ? 'AM' : 'PM'
    case 'P':
      return hour < 12 ? 'am' : 'pm'
    case 'r':
      return strftime(date, '%I:%M:%S %p')
    case 'R':
      return strftime(date, '%H:%M')
    case 's':
      return String(Math.floor(date.getTime() / 1000))
    case 'S':
      return two(date.getSeconds())
    case 't':
      return '\t'
    case 'T':
    case 'X':
      return strftime(date, '%H:%M:%S')
    case 'u':
      return String(date.getDay() || 7)
    case 'U':
      return two(Math.floor((dayOfYear(date) + 6 - date.getDay()) / 7))
    case 'V':
      return two(isoWeek(date).week)
    case 'w':
      return String(date.getDay())
    case 'W':
      return two(Math.floor((dayOfYear(date) + 6 - ((date.getDay() + 6) % 7)) / 7))
    case 'y':
      return two(date.getFullYear() % 100)
    case 'Y':
      return String(date.getFullYear())
    case 'z':
    case 'Z':
      // datetime.now() is naive: it has no zone.
      return ''
    case '%':
      return '%'
  }
  return undefined
}

/** Python's datetime.strftime for a naive local time, in English (the C locale). */
export function strftime(date: Date, format: string): string {
  // glibc's flags (`-` no padding, `_` spaces, `^` capitals); E and O change nothing in the C locale.
  return format.replace(/%([-_^#]?)[EO]?([\s\S])/g, (whole: string, flag: string, code: string) => {
    const text = directive(date, code)
    if (text === undefined) return whole
    if (flag === '-') return text.replace(/^[0 ]+(?=\d)/, '')
    if (flag === '_') return text.replace(/^0+(?=\d)/, (zeros) => ' '.repeat(zeros.length))
    return flag === '^' ? text.toUpperCase() : text
  })
}
