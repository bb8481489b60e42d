"""Makes the Esperanto half of the corpus in two languages, see quickstart_languages.py.

jaxspeech prepare quickstart_eo           # data/quickstart_eo
"""

import sys

from jaxspeech.data.quickstart_languages import QUICKSTART_EO

if __name__ == "__main__":
    sys.exit(QUICKSTART_EO.main())
