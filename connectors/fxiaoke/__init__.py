"""纷享销客 Fxiaoke (ShareCRM): accounts, contacts, opportunities, follow-ups, employees; follow-ups back."""

from connectors.fxiaoke.config import FxiaokeConfig
from connectors.fxiaoke.connector import Fxiaoke

__all__ = ["Fxiaoke", "FxiaokeConfig"]
