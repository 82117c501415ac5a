// The start of a page that stands alone: its data first, then the pages as ever.

import "./embedded.js";
import "./main.js";
