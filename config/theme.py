"""The admin's name, colours and sidebar, for the settings; it imports no models, so that settings can read it."""

from typing import Any

UNFOLD: dict[str, Any] = {  # Any: the theme's own settings
    "SITE_TITLE": "Automation",
    "SITE_HEADER": "Automation",
    "SITE_SUBHEADER": "Durable workflows",
    "SITE_SYMBOL": "account_tree",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "6px",
    "DASHBOARD_CALLBACK": "config.dashboard.dashboard",
    "STYLES": ["config.dashboard.style_sheet"],
    "COLORS": {
        "primary": {
            "50": "oklch(96.2% .018 272.314)",
            "100": "oklch(93% .034 272.788)",
            "200": "oklch(87% .065 274.039)",
            "300": "oklch(78.5% .115 274.713)",
            "400": "oklch(67.3% .182 276.935)",
            "500": "oklch(58.5% .233 277.117)",
            "600": "oklch(51.1% .262 276.966)",
            "700": "oklch(45.7% .24 277.023)",
            "800": "oklch(39.8% .195 277.366)",
            "900": "oklch(35.9% .144 278.697)",
            "950": "oklch(25.7% .09 281.288)",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": "config.dashboard.navigation",
    },
}
