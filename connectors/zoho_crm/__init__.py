"""Zoho CRM: accounts, contacts, deals, tasks, notes, users; notes, tasks and fields back."""

from connectors.zoho_crm.config import ZohoCrmConfig
from connectors.zoho_crm.connector import ZohoCrm

__all__ = ["ZohoCrm", "ZohoCrmConfig"]
