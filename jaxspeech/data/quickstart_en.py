"""Makes the English half of the corpus in two languages, see quickstart_languages.py.

jaxspeech prepare quickstart_en           # data/quickstart_en
"""

import sys

from jaxspeech.data.quickstart_languages import QUICKSTART_EN

if __name__ == "__main__":
    sys.exit(QUICKSTART_EN.main())
